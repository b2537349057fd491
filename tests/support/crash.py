"""Stories that are played once to the end, and again killed at each point of a fault that they pass: as `crash.rs` beside this."""

import os

PASSES = 3


def tell(what, point):
    """Says that a test has reached a point, or has killed at it."""
    if log := os.environ.get("HEARTH_CRASH_LOG"):
        with open(log, "a") as file:
            file.write(f"{what} {point.partition(':')[0]}\n")


def passed(trace, passes):
    """The points of a trace, each of their first passes: `point` and `point:n`."""
    points, counts = [], {}
    for name in trace.read_text().split():
        counts[name] = counts.get(name, 0) + 1
        if counts[name] <= (1 if "order." in name else passes):
            points.append(name if counts[name] == 1 else f"{name}:{counts[name]}")
    return points


def everywhere(story, sample, trace, play, passes=PASSES):
    """Plays a story with the environment of the service that it is about, once to its end and once for each point: for those
    of the sample, or for all where HEARTH_CRASH says so. `passes` is 1 where it depends on who is faster how often a point is passed."""
    which = os.environ.get("HEARTH_CRASH", "")
    play({"HEARTH_FAULT_TRACE": str(trace)})
    points = passed(trace, passes)
    assert set(sample) <= set(points), f"{story} does not pass {set(sample) - set(points)}"
    for point in points:
        tell("reached", point)
    for point in points if which == "all" or (which and which in story) else sample:
        print(f"{story}, killed at {point}")
        play({"HEARTH_FAULT": point})
        tell("killed", point)
