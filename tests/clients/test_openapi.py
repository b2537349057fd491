"""The OpenAPI documents that `hearth openapi` prints: valid by a real validator, and true of what is served."""

import json
import re
import subprocess
import uuid

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from stack import HEARTH, Stack, wait_until

PROJECT = uuid.UUID(int=0xABCDEF).hex
BLOCK_STORAGE_VERSIONS = ("3.0", "3.27", "3.52", "3.71")


def document(service, version=None):
    command = [HEARTH, "openapi", "--service", service, *(["--microversion", version] if version else [])]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("service, version", [
    *(("block-storage", version) for version in (None, *BLOCK_STORAGE_VERSIONS)), ("metering", None), ("alarming", None)])
def test_the_document_is_valid(service, version):
    OpenAPIV31SpecValidator(document(service, version)).validate()


@pytest.mark.parametrize("service", ["block-storage", "metering", "alarming"])
def test_the_document_and_the_table_name_the_same_routes(service):
    printed = subprocess.run([HEARTH, "routes", "--service", service], check=True, capture_output=True, text=True).stdout
    lines = [line.split("\t") for line in printed.splitlines()[1:]]
    in_table = {(method, path) for method, path, *_, policy in lines if policy != "none (no token needed)"}
    paths = document(service)["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == in_table


@pytest.fixture(scope="module")
def served():
    with Stack("serve") as stack:
        yield stack


def call(stack, version, method, path, body=None):
    headers = {"X-Auth-Token": f"demo:{PROJECT}", "OpenStack-API-Version": f"volume {version}"}
    return stack.request(method, path, body, headers)


def check(answer, operation, components):
    """The answer is what the operation promises."""
    response = operation["responses"].get(str(answer.status))
    assert response, f"{answer.status} is not in the document: {answer.body}"
    if not answer.body and "actions" in operation["x-openstack"]:
        return  # Some actions of the path answer nothing where others with the same status answer something.
    if "content" in response:
        schema = {**response["content"]["application/json"]["schema"], "components": components}
        Draft202012Validator(schema).validate(answer.json())
    else:
        assert answer.body == b""


@pytest.mark.parametrize("version", BLOCK_STORAGE_VERSIONS)
def test_answers_are_what_the_document_promises(served, version):
    described = document("block-storage", version)
    components = described["components"]
    ids = {"project_id": PROJECT, "project": PROJECT, "class": "default", "alias": "os-quota-sets", "key": "k"}

    def path_of(template):
        return "/volume" + re.sub(r"{(\w+)}", lambda match: ids.get(match[1]) or str(uuid.uuid4()), template)

    def operation(method, template):
        return described["paths"][f"/v3/{{project_id}}{template}"][method]

    def do(method, template, body=None):
        answer = call(served, version, method.upper(), path_of(f"/v3/{{project_id}}{template}"), body)
        if body is not None:
            schema = operation(method, template)["requestBody"]["content"]["application/json"]["schema"]
            Draft202012Validator(schema).validate(body)
        check(answer, operation(method, template), components)
        return answer.json() if answer.body else None

    name = f"openapi {version}"
    ids["type_id"] = do("post", "/types", {"volume_type": {"name": name, "extra_specs": {"k": "v"}}})["volume_type"]["id"]
    body = {"volume": {"size": 1, "name": name, "volume_type": name, "metadata": {"k": "v"}}}
    do("put", "/types/{type_id}/extra_specs/{key}", {"k": "<in> w"})
    do("delete", "/types/{type_id}/extra_specs/{key}")
    ids["volume_id"] = do("post", "/volumes", body)["volume"]["id"]
    wait_until(lambda: do("get", "/volumes/{volume_id}")["volume"]["status"] == "available", "the volume")
    snapshot = {"snapshot": {"volume_id": ids["volume_id"], "metadata": {"k": "v"}}}
    ids["snapshot_id"] = do("post", "/snapshots", snapshot)["snapshot"]["id"]
    wait_until(lambda: do("get", "/snapshots/{snapshot_id}")["snapshot"]["status"] == "available", "the snapshot")
    do("put", "/types/{type_id}", {"volume_type": {"description": "new"}})
    do("post", "/volumes/{volume_id}/action", {"os-set_bootable": {"bootable": "yes"}})
    ids["qos_id"] = do("post", "/qos-specs", {"qos_specs": {"name": name, "consumer": "back-end", "k": "v"}})["qos_specs"]["id"]
    offered = do("post", "/volumes", {"volume": {"size": 1, "name": "offered"}})["volume"]["id"]
    offered_path = path_of("/v3/{project_id}/volumes/") + offered
    status = lambda: call(served, version, "GET", offered_path).json()["volume"]["status"]
    wait_until(lambda: status() == "available", "the volume to offer")
    offer = do("post", "/os-volume-transfer", {"transfer": {"volume_id": offered, "name": name}})
    ids["transfer_id"] = offer["transfer"]["id"]
    if version != "3.0":
        group_type = do("post", "/group_types", {"group_type": {"name": name, "group_specs": {"k": "v"}}})
        ids["group_type_id"] = group_type["group_type"]["id"]
        group = {"group": {"name": name, "group_type": ids["group_type_id"], "volume_types": [ids["type_id"]]}}
        ids["group_id"] = do("post", "/groups", group)["group"]["id"]
        wait_until(lambda: do("get", "/groups/{group_id}")["group"]["status"] == "available", "the group")
    do("put", "/os-quota-sets/{project}", {"quota_set": {"volumes": 100, "snapshots": "100"}})
    ids["pool"] = do("get", "/scheduler-stats/get_pools")["pools"][0]["name"].replace("#", "%23")
    ids["host"] = do("get", "/os-services")["services"][0]["host"].replace("#", "%23")

    tried = 0
    for template, methods in described["paths"].items():
        if "get" in methods and "{message_id}" not in template:
            query = f"?vol_type_id={ids['type_id']}" if template.endswith("associate") else ""
            query = f"?host={ids['pool']}" if "manage" in template else query
            answer = call(served, version, "GET", path_of(template) + query)
            if answer.status != 404:
                check(answer, methods["get"], components)
                tried += 1
    assert tried > 35

    do("delete", "/os-volume-transfer/{transfer_id}")
    assert call(served, version, "DELETE", offered_path).status == 202
    if version != "3.0":
        do("post", "/groups/{group_id}/action", {"delete": {"delete-volumes": False}})
        group_path = path_of("/v3/{project_id}/groups/{group_id}")
        wait_until(lambda: call(served, version, "GET", group_path).status == 404, "the group's end")
        do("delete", "/group_types/{group_type_id}")
    do("delete", "/snapshots/{snapshot_id}")
    wait_until(lambda: call(served, version, "GET", path_of("/v3/{project_id}/snapshots/{snapshot_id}")).status == 404, "the end")
    do("delete", "/volumes/{volume_id}")
    wait_until(lambda: call(served, version, "GET", path_of("/v3/{project_id}/volumes/{volume_id}")).status == 404, "the end")
    do("delete", "/types/{type_id}")
    do("delete", "/qos-specs/{qos_id}")
