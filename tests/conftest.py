"""What every test shares: Ctrl-C as in a terminal, limits of time, and the time by folder at the end of a run."""

from __future__ import annotations

import collections
import signal
from collections.abc import Iterator

import pytest

from jupyter_trainjob.worker import process_settings
from tests.waiting import patience


def pytest_configure() -> None:
    """Take Ctrl-C as in a terminal: a shell that starts the suite in its background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _jobs_without_the_filters_of_pytest() -> Iterator[None]:
    """Keep pytest's warning filters, which make errors of warnings, out of the jobs that tests send."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(process_settings._SETTINGS, "warnings")
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Scale the time limit of each test with TRAINJOB_TEST_PATIENCE."""
    default = float(config.getini("timeout"))
    for item in items:
        marker = item.get_closest_marker("timeout")
        limit = float(marker.args[0]) if marker else default
        item.add_marker(pytest.mark.timeout(patience(limit)), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long the tests of each folder took, added over all workers."""
    seconds: dict[str, float] = collections.defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds["/".join(report.nodeid.split("::")[0].split("/")[:-1])] += report.duration
    if seconds:
        terminalreporter.section("time by folder")
        for folder, spent in sorted(seconds.items(), key=lambda item: -item[1]):
            terminalreporter.write_line(f"{spent:8.1f} s  {folder}")
