"""Writes tests/data/policy/overrides.tsv: what oslo.policy answers where an operator's file names rules of Cinder by their present or
former names. Run it by hand when Cinder has changed:

    scripts/venv cinder tests/peers/cinder-requirements.txt
    CACHE/cinder/bin/python tests/differential/observe_policy.py
"""

import importlib.metadata
import json
import pathlib
import tempfile

from cinder import policies
from oslo_config import cfg
from oslo_policy import policy

FILE = pathlib.Path(__file__).resolve().parents[1] / "data/policy/overrides.tsv"
PROJECT, OTHER = "0a1d7e94c3b84f6f9d52e8a6b7c4f310", "99999999999999999999999999999999"
TARGET = {"project_id": PROJECT, "user_id": "u1", "domain_id": "default"}
# In the order of answers.tsv, of which these are the ones that belong to a project.
CALLERS = [(["admin", "manager", "member", "reader"], PROJECT), (["member", "reader"], PROJECT), (["reader"], PROJECT), ([], PROJECT),
           (["admin", "member", "reader"], OTHER), (["member", "reader"], OTHER)]


def files():
    """What an operator may have written of each rule."""
    for rule in policies.list_rules():
        former = rule.deprecated_rule
        yield rule.name, {rule.name: "role:reader"}
        yield rule.name, {rule.name: "!"}
        if former and former.name != rule.name:
            yield rule.name, {former.name: "role:reader"}
            yield rule.name, {former.name: former.check_str}
            yield rule.name, {former.name: f"rule:{rule.name}"}
            yield rule.name, {former.name: "role:reader", rule.name: "role:member"}
    for name in ("admin_api", "admin_or_owner", "context_is_admin", "xena_system_admin_or_project_member", "default"):
        yield "volume:update", {name: "role:reader"}
        yield "volume:get_all", {name: "role:reader"}
        yield "volume_extension:types_manage", {name: "role:reader"}


def signs(rule, overrides, new_defaults, folder):
    conf = cfg.ConfigOpts()
    conf([], project="cinder")
    enforcer = policy.Enforcer(conf, policy_file=str(folder / "policy.yaml"), use_conf=True)
    enforcer.suppress_deprecation_warnings = enforcer.suppress_default_change_warnings = True
    conf.set_override("enforce_new_defaults", new_defaults, "oslo_policy")
    conf.set_override("policy_dirs", [], "oslo_policy")
    (folder / "policy.yaml").write_text(json.dumps(overrides))
    enforcer.register_defaults(policies.list_rules())
    found = ""
    for roles, project in CALLERS:
        credentials = {"user_id": "u1", "project_id": project, "roles": roles, "is_admin_project": True, "is_admin": False}
        credentials["is_admin"] = enforcer.enforce("context_is_admin", {"project_id": project, "user_id": "u1"}, credentials)
        found += "+" if enforcer.enforce(rule, TARGET, credentials) else "-"
    return found


def main():
    known = {rule.name for rule in policies.list_rules()}
    versions = {name: importlib.metadata.version(name) for name in ("cinder", "oslo.policy")}
    lines = [f"# What oslo.policy {versions['oslo.policy']} answers for rules of Cinder {versions['cinder']} under an operator's file. "
             "Columns: the file, as JSON; the rule;\n# one sign for each caller in the order admin, member, reader, nobody, "
             "stranger-admin, stranger-member, with\n# enforce_new_defaults, then the same without. + allows, - refuses."]
    with tempfile.TemporaryDirectory() as folder:
        for rule, overrides in files():
            if rule in known:
                both = [signs(rule, overrides, new, pathlib.Path(folder)) for new in (True, False)]
                lines.append("\t".join([json.dumps(overrides), rule, *both]))
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
