"""Scenes of logs: colours, one node, and more lines than the page loads at first."""

from __future__ import annotations

from dataclasses import replace

from jupyter_trainjob.client.snapshot import LogLine
from jupyter_trainjob.feed import log_pages
from tests.ui.scenes.recorded import NOW, Recorded, Scene
from tests.ui.scenes.states import HOSTILE, jobs

BEGUN = NOW - 3_000
NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
COLOURS = (
    "".join(f"\x1b[{code}m{name}\x1b[0m " for code, name in enumerate(NAMES, 30)) + "plain",
    "".join(f"\x1b[{code}mbright {name}\x1b[0m " for code, name in enumerate(NAMES, 90)) + "plain",
    (
        "\x1b[1;31mbold red\x1b[22m red\x1b[0m \x1b[2mdim\x1b[0m \x1b[4munderlined\x1b[0m \x1b[3mitalic\x1b[0m "
        "\x1b[7mturned\x1b[0m \x1b[9mstruck\x1b[0m"
    ),
    "".join(f"\x1b[4{code};3{7 - code}m ground {code} \x1b[0m " for code in range(1, 7)),
    (
        "\x1b[38;5;208morange of 256\x1b[0m \x1b[38;2;120;80;255mviolet of all\x1b[0m "
        "\x1b[38:2::0:200:80mgreen with colons\x1b[0m \x1b[38;5;245mgrey of 256\x1b[0m"
    ),
    "\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\ \x1b[2Kcleared \x07bell",
    f"{HOSTILE} stays text",
    "\tindented\twith tabs   and spaces",
    "a long line: " + "epoch 3 loss 0.1841 " * 30,
)


def scenes() -> dict[str, Scene]:
    """Return the scenes by name."""
    many = [
        LogLine(BEGUN + i, (i * 5) % 8, f"step {i}: loss {2 / (i + 1):.4f}" if i % 50 else f"ValueError: bad batch {i}")
        for i in range(3_000)
    ]
    needles = {3: " with a needle", 600: " with a needle"}
    far = [LogLine(BEGUN + i / 2, i % 2, f"step {i}{needles.get(i, '')}") for i in range(6_000)]
    return {
        "running": Scene.of(jobs()["running"]),
        "colours": Scene.of(_job(*(LogLine(BEGUN + i, i % 8, text) for i, text in enumerate(COLOURS)))),
        "single": Scene.of(_job(LogLine(BEGUN, 0, "one"), LogLine(BEGUN + 1, 0, "two"), nodes=1)),
        "many": _with_pages(_job(*many)),
        "far": _with_searches(_job(*far, nodes=2)),
    }


def _job(*lines: LogLine, nodes: int = 8) -> Recorded:
    return Recorded(replace(jobs()["running"].moment, log=lines, nodes=nodes))


def _with_pages(job: Recorded) -> Scene:
    """Answer with the page before the first lines."""
    scene = Scene.of(job)
    (log,) = [content for content, _ in scene.messages if content["kind"] == "log"]
    return replace(scene, answers={"page": log_pages.read_page(job, {"before": log["before"], "limit": 500})})


def _with_searches(job: Recorded) -> Scene:
    """Answer searches with two lines that contain the needle, before the first lines, in the order of `log.mjs`."""
    scene = Scene.of(job)
    (log,) = [content for content, _ in scene.messages if content["kind"] == "log"]
    wanted = {"pattern": "needle", "limit": 0}
    first = log_pages.search(job, {**wanted, "before": log["before"]})
    second = log_pages.search(job, {**wanted, "before": first[0]["before"]})
    return replace(
        scene,
        answers={
            "page": log_pages.read_page(job, {**wanted, "before": log["before"]}),
            "page then": log_pages.read_page(job, {**wanted, "before": first[0]["before"]}),
            "find newest": first,
            "find oldest": second,
            "find nothing": log_pages.search(job, {**wanted, "before": second[0]["before"]}),
        },
    )
