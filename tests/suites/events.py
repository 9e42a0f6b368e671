"""A pytest plugin that writes each test's begin and outcomes to a file as they happen (``-p tests.suites.events``).

So a run that was ended has still told what it ran. Each process of pytest writes its stacks into the folder of the file
when it gets SIGUSR1. Without TRAINJOB_TEST_EVENTS, the path of the file, the plugin does nothing.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

EVENTS_ENV: Final = "TRAINJOB_TEST_EVENTS"
STACKS: Final = "stacks-{pid}.txt"


@dataclass
class Outcome:
    """What came of one test, or of importing a file of tests."""

    outcome: str = "passed"
    """passed, failed or skipped: failed if setup, call or teardown failed."""
    seconds: float = 0.0
    text: str = ""
    """The failure with the captured output."""


@dataclass
class Events:
    """The content of the file."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By node id."""
    running: list[str] = field(default_factory=list)
    """Node ids of tests that began and have not finished."""
    ended: bool = False
    """Whether pytest came to its end."""

    def named(self, outcome: str) -> list[str]:
        """Return the node ids with an outcome."""
        return [test for test, each in self.outcomes.items() if each.outcome == outcome]


class _Writer:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def _write(self, **event: Any) -> None:
        self._file.write(json.dumps(event) + "\n")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write(started=nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write(finished=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._write(test=report.nodeid, outcome=report.outcome, seconds=report.duration, text=_text(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(test=report.nodeid, outcome=report.outcome, seconds=0.0, text=_text(report))

    def pytest_sessionfinish(self) -> None:
        self._write(ended=True)

    def pytest_unconfigure(self) -> None:
        self._file.close()


def _text(report: pytest.TestReport | pytest.CollectReport) -> str:
    if not report.failed:
        return ""
    sections = [f"----- {title} -----\n{content}" for title, content in report.sections]
    return "\n".join([report.longreprtext, *sections])


def pytest_configure(config: pytest.Config) -> None:
    """Register the writer in the process that gets all reports, and the stacks in every one."""
    path = os.environ.get(EVENTS_ENV)
    if not path:
        return
    _write_stacks_on_signal(Path(path).with_name(STACKS.format(pid=os.getpid())))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Writer(Path(path)))


def _write_stacks_on_signal(path: Path) -> None:
    # The file stays open as long as the process: faulthandler writes to its descriptor.
    faulthandler.register(signal.SIGUSR1, file=path.open("w"), all_threads=True)


def read(path: Path) -> Events:
    """Return what a run has written; an unfinished last line is left out."""
    events = Events()
    for event in _lines(path):
        if "started" in event:
            events.running.append(event["started"])
        elif "finished" in event:
            events.running.remove(event["finished"])
        elif "ended" in event:
            events.ended = True
        else:
            _add(events.outcomes.setdefault(event["test"], Outcome()), event)
    return events


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text() if path.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        yield json.loads(line)


def _add(outcome: Outcome, event: dict[str, Any]) -> None:
    outcome.seconds += event["seconds"]
    if event["outcome"] != "passed" and outcome.outcome != "failed":
        outcome.outcome = event["outcome"]
    if event["text"]:
        outcome.text = "\n".join(filter(None, (outcome.text, event["text"])))
