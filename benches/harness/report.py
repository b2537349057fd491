"""Tables for people, JSON for programs, and what was met of the aims."""

import json
import time

from . import machine, volumes

DATABASE = "CPU µs db"
HEAD = ("requests/s", "p50 ms", "p99 ms", "errors", "CPU µs web", "CPU µs app", DATABASE, "MB", "MB all", "other load")
# Where a section reads them: the most that a process of the application held, and what it held when it had rested.
MEMORY = ("MB peak", "MB rested")
# Above this share of the machine, what ran beside the benchmark is marked.
LOUD = 0.10

# What Hearth is meant to reach, as ratios within one run: text, section, candidate and measure, peer, limit, and whether
# the figure has to be at least (1) or at most (-1) the limit times the peer's.
AIMS = (
    ("requests/s through nginx, kept, against C libfcgi", "nginx-kept", "hearth", "requests_per_second",
     "C libfcgi, 64 threads", 1.6, 1),
    ("requests/s through nginx, kept, against the minimal responder", "nginx-kept", "hearth", "requests_per_second",
     "minimal responder", 0.9, 1),
    ("application CPU through nginx, kept, against C libfcgi", "nginx-kept", "hearth", "application_cpu_us",
     "C libfcgi, 64 threads", 0.5, -1),
    ("requests/s through mod_proxy_fcgi, reuse, against C libfcgi", "apache-kept", "hearth", "requests_per_second",
     "C libfcgi, 64 threads", 1.3, 1),
    ("CPU of straight HTTP against FastWSGI", "http", "hearth serve", "application_cpu_us", "fastwsgi", 1.0, -1),
    *(
        (f"requests/s of {name} against cinder-api", "cinder", f"{name}, hearth", "requests_per_second", f"{name}, cinder", limit, 1)
        for name, limit in (
            ("show", 100), ("list of 10", 100), ("detail of 10", 100), ("list of 1000", 150), ("detail of 1000", 150),
            ("update metadata", 30), ("create", 30),
        )
    ),
    ("resident memory after lists of 1,000 against a uWSGI worker's", "cinder", "detail of 1000, hearth", "resident_kib",
     "detail of 1000, cinder", 0.1, -1),
    *(
        (f"requests/s of {name} against Gnocchi", "gnocchi", f"{name}, hearth", "requests_per_second", f"{name}, gnocchi", limit, 1)
        for name, limit in (("batches of 1,000", 10), ("one by one", 10), ("one resource, a day by the hour", 5))
    ),
    *(
        (f"requests/s of 100 {name}, of 10,000 resources against 100", "gnocchi", f"{name} of 10,000, hearth", "requests_per_second",
         f"{name} of 100, hearth", 0.8, 1)
        for name in ("resources", "meters", "samples")
    ),
)  # fmt: skip
RESIDENT_LIMIT_KIB = 15 * 1024
PEAK_LIMIT_KIB = 30 * 1024
START_LIMIT_MS = 10
LIST_LIMIT = 2.0


def _row(result, with_database):
    errors = sum(result["errors"].values())
    loud = " ‡" if result["other_load"] > LOUD else ""
    return (
        f"{result['requests_per_second']:,.0f}",
        f"{result['p50_ms']:.2f}",
        f"{result['p99_ms']:.2f}",
        str(errors) if errors else "-",
        f"{result['web_cpu_us']:.1f}" if result["web_cpu_us"] else "-",
        f"{result['application_cpu_us']:.1f}" if result["application_cpu_us"] else "-",
        *([f"{result['database_cpu_us']:.1f}"] if with_database else []),
        f"{result['resident_kib'] / 1024:.1f}" if result["resident_kib"] else "-",
        f"{result['resident_kib_all_processes'] / 1024:.0f}" if result["resident_kib"] else "-",
        f"{result['other_load']:.0%}{loud}",
        *(f"{result[key] / 1024:.1f}" for key in ("peak_kib", "rested_kib") if key in result),
    )


def table(head, rows):
    """A Markdown table whose columns stand one below the other."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row):
        first = row[0].ljust(widths[0])
        return "| " + " | ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def section(title, results, failed):
    """One section as text."""
    with_database = any(result["database_cpu_us"] for result in results)
    head = [name for name in HEAD if with_database or name != DATABASE]
    head += MEMORY if any("peak_kib" in result for result in results) else ()
    rows = [(result["name"], *_row(result, with_database)) for result in results]
    parts = [f"## {title}", table(("", *head), rows)] if rows else [f"## {title}"]
    parts += [f"{name}: {reason}" for name, reason in failed.items()]
    return "\n".join(parts) + "\n"


def volumes_section(title, found, failed):
    """What is measured of volumes whose service works, as text."""
    parts = [f"## {title}"]
    if sides := found.get("creations"):
        for key, text in (("to available", "create to `available`"), ("to deleted", "create to `available` to deleted")):
            head = (f"{text}, four clients", "a second", "p50 ms", "p99 ms", "CPU ms each, database and nginx too")
            rows = [(side["name"], *(f"{side[key][measure]:,.1f}" for measure in ("per_second", "p50_ms", "p99_ms", "cpu_ms"))) for side in sides]
            parts.append(table(head, rows) + "\n")
    if copies := found.get("copies"):
        shares = lambda row: f"XFS, {'reflinks' if row['reflinks'] else 'no reflinks'}"
        head = ("clone of 10 GiB with 100 MiB of data", "ms", "MiB taken", "ms for writing the data alone")
        rows = [(shares(row), f"{row['ms']:.0f}", f"{row['mib']:.1f}", f"{row['data_alone_ms']:.0f}") for row in copies["clones"]]
        parts.append(table(head, rows) + "\n")
        sizes = sorted({row["size_gib"] for row in copies["snapshots"]})
        head = ("snapshot of a qcow2 volume, ms", *(f"{size} GiB" for size in sizes))
        kinds = sorted({(not row["reflinks"], row["data_gib"]) for row in copies["snapshots"]})
        took = {(not row["reflinks"], row["data_gib"], row["size_gib"]): row["ms"] for row in copies["snapshots"]}
        rows = [(f"XFS, {'no reflinks' if apart else 'reflinks'}, {data} GiB of data", *(f"{took[apart, data, size]:.0f}" for size in sizes))
                for apart, data in kinds]  # fmt: skip
        parts.append(table(head, rows) + "\n")
    parts += [f"{name}: {reason}" for name, reason in failed.items()]
    return "\n".join(parts) + "\n"


def _volume_aims(found):
    """The aims of volumes whose service works."""
    aims_, sides = [], {side["name"]: side for side in found.get("creations", [])}
    hearth, cinder = sides.get("hearth, MariaDB"), sides.get("cinder, MariaDB")
    for name in ("hearth, SQLite", "hearth, MariaDB"):
        if name in sides:
            figure, limit = sides[name]["to available"]["per_second"], 20 * volumes.QUOTED
            aims_.append(_aim(f"create to available a second, four clients, {name}", f"at least {limit:.0f}", f"{figure:.0f}", figure >= limit))
    if hearth and cinder:
        for key in ("to available", "to deleted"):
            ratio = hearth[key]["per_second"] / cinder[key]["per_second"]
            aims_.append(_aim(f"create {key} against the real Cinder on MariaDB", "at least 20", f"{ratio:.1f}", ratio >= 20))
    copies = found.get("copies", {})
    for row in copies.get("clones", []):
        limit = 1 if row["reflinks"] else 1.1 * volumes.DATA_MIB
        text = f"MiB that a clone of 10 GiB with {volumes.DATA_MIB} MiB of data takes, {'reflinks' if row['reflinks'] else 'no reflinks'}"
        aims_.append(_aim(text, f"at most {limit:.0f}", f"{row['mib']:.1f}", row["mib"] <= limit))
        if not row["reflinks"]:
            ratio = row["ms"] / row["data_alone_ms"]
            aims_.append(_aim("time of that clone against writing its data alone", "at most 2", f"{ratio:.2f}", ratio <= 2))
    took = [row["ms"] for row in copies.get("snapshots", []) if row["reflinks"]]
    if took:
        ratio = max(took) / min(took)
        aims_.append(_aim("slowest against fastest snapshot of a qcow2 volume, by size and data, reflinks", "at most 3", f"{ratio:.1f}", ratio <= 3))
    return aims_


def beside(results):
    """Hearth beside the real Cinder, and beside the floor: how many times the requests a second, and by CPU of all processes a
    request, which says more where something else runs on the machine. Empty where none of them was measured."""
    found = {result["name"]: result for result in results}
    names = [name.removesuffix(", cinder") for name in found if name.endswith(", cinder")]
    # One that answered nothing in its time, on a busy machine, counts as next to nothing.
    speed = lambda result: max(result["requests_per_second"], 0.1)
    thrift = lambda result: 1 / max(sum(result[f"{part}_cpu_us"] for part in ("web", "application", "database")), 0.1)
    rows = []
    for name in names:
        sides = [found.get(f"{name}, {side}") for side in ("hearth", "bare rows", "cinder")]
        ratios = [[measure(side) / measure(sides[2]) if side else None for side in sides[:2]] for measure in (speed, thrift)]
        rows.append((name, *(f"{ratio:.0f}" if ratio else "-" for pair in ratios for ratio in pair)))
    head = ("times cinder-api's", "requests/s", "of the floor", "by CPU", "of the floor")
    return table(head, rows) + "\n" if rows else ""


def start_section(title, rows):
    """How long processes take from start to answer, as text."""
    measures = ("median_ms", "p99_ms", "cpu_ms", "beyond_empty_ms")
    cells = [(row["name"], *(f"{row[measure]:.2f}" for measure in measures)) for row in rows]
    head = ("", "median ms", "p99 ms", "CPU ms", "beyond empty ms")
    return f"## {title}\n" + table(head, cells) + "\n"


def _find(sections, key, name):
    for result in sections.get(key, {}).get("results", []):
        if result["name"] == name:
            return result
    return None


def aims(sections, start, inside, at_work):
    """Each aim with its figure and whether it was met; those without figures in this run are left out."""
    found = []
    for text, key, name, measure, peer_name, limit, sign in AIMS:
        ours, peer = _find(sections, key, name), _find(sections, key, peer_name)
        if ours and peer and peer[measure]:
            ratio = ours[measure] / peer[measure]
            word = "at least" if sign > 0 else "at most"
            found.append(_aim(text, f"{word} {limit:g}", f"{ratio:.2f}", (ratio - limit) * sign >= 0))
    through_apache = _find(sections, "apache-kept", "hearth")
    if through_apache:
        errors = sum(through_apache["errors"].values())
        found.append(_aim("errors through mod_proxy_fcgi, reuse", "none", str(errors), errors == 0))
    resident = [
        result["resident_kib"]
        for part in sections.values()
        for result in part.get("results", [])
        if result["name"].startswith("hearth")
    ]
    if resident:
        text = f"{max(resident) / 1024:.1f} MB"
        found.append(_aim("resident memory of a Hearth process after load", "under 15 MB", text,
                          max(resident) < RESIDENT_LIMIT_KIB))  # fmt: skip
    peaks = [result["peak_kib"] for part in sections.values() for result in part.get("results", []) if "peak_kib" in result]
    if peaks:
        found.append(_aim("peak of a Telemetry responder, whatever the query", "under 30 MB", f"{max(peaks) / 1024:.1f} MB",
                          max(peaks) < PEAK_LIMIT_KIB))  # fmt: skip
    if start:
        extra = max(row["beyond_empty_ms"] for row in start)
        found.append(_aim("start to answer of CGI, beyond an empty program's", f"within {START_LIMIT_MS} ms",
                          f"{extra:.1f} ms", extra <= START_LIMIT_MS))  # fmt: skip
    if "lists" in inside:
        ratio = inside["lists"]["full list against the bare driver"]
        found.append(_aim("full list of 1,000 volumes against the bare driver", f"at most {LIST_LIMIT:g}",
                          f"{ratio:.2f}", ratio <= LIST_LIMIT))  # fmt: skip
    found += _volume_aims(at_work)
    return found


def _aim(text, limit, figure, met):
    return {"aim": text, "limit": limit, "figure": figure, "met": met}


def aims_text(found):
    """The aims as a table."""
    if not found:
        return ""
    rows = [(aim["aim"], aim["limit"], aim["figure"], "met" if aim["met"] else "MISSED") for aim in found]
    return "## Aims\n" + table(("", "aim", "this run", ""), rows) + "\n"


def write(name, content):
    """Writes target/bench/NAME.json."""
    machine.OUT.mkdir(parents=True, exist_ok=True)
    path = machine.OUT / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def heading(described):
    """When and on what."""
    when = time.strftime("%Y-%m-%d %H:%M")
    return (
        f"{when}, {described['cores']} cores ({described['processor']}), {described['memory_mib'] // 1024} GB, "
        f"{described['system']}, {described['nginx']}, {described['apache']}, commit {described['commit']}\n"
    )
