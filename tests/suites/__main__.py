"""``scripts/test``: run suites, print what failed, and one table at the end.

``scripts/test`` runs lint, unit, processes and core; ``scripts/test journeys browser`` the named suites; ``--full`` all
of them, and goes on after a failed one; ``--since COMMIT`` those that the changes since a commit can affect; ``--list``
prints them. Arguments after ``--`` go to pytest: ``scripts/test unit -- -k quantity``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.suites import limits, pytest_run, quarantine, verdict
from tests.suites.table import BY_NAME, DEFAULT, SUITES, Command, Selection, Suite, suites_of_changes
from tests.suites.verdict import MOST_FLAKY, Verdict
from tests.waiting import PATIENCE


@dataclass
class Result:
    """What came of a suite."""

    suite: Suite
    passed: int = 0
    skipped: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)
    """Commands that failed, and pytest processes that did not end as they should."""
    seconds: float = 0.0

    @property
    def failures(self) -> int:
        """Return the number of failed tests and commands."""
        return len(self.verdict.failed) + len(self.problems)

    @property
    def is_red(self) -> bool:
        """Return whether the suite fails the run."""
        return bool(self.failures) and not self.suite.only_warns


def run_suite(suite: Suite, arguments: Sequence[str]) -> Result:
    """Run all steps of a suite, also after a failed one."""
    result, started = Result(suite), time.monotonic()
    end = started + suite.minutes * 60 * PATIENCE
    for step in suite.steps:
        seconds = end - time.monotonic()
        if seconds <= 0:
            result.problems.append(f"not run, since the suite's {suite.minutes} minutes are over: {step}")
        elif isinstance(step, Command):
            if code := limits.run(step.words, seconds=seconds):
                result.problems.append(f"{' '.join(step.words)} ended with code {code}")
            elif code is None:
                result.problems.append(f"{' '.join(step.words)} was over its time limit")
        else:
            _run_tests(step, result, seconds=seconds, arguments=arguments)
    result.seconds = time.monotonic() - started
    return result


def _run_tests(step: Selection, result: Result, *, seconds: float, arguments: Sequence[str]) -> None:
    deadline = time.monotonic() + seconds
    run = pytest_run.run(step, seconds=seconds, arguments=arguments)
    failed = run.events.named("failed")
    quarantined = {entry.test for entry in quarantine.read(quarantine.FILE.read_text())}
    reruns: dict[str, list[bool]] = {}
    for test in verdict.select_reruns(failed, reruns=step.reruns, quarantined=quarantined):
        reruns[test] = [_passes_alone(test, step, deadline) for _ in range(verdict.RERUNS)]
    judged = verdict.judge(failed, reruns=reruns, quarantined=quarantined)
    for test in judged.flaky:
        print(f"\nFLAKY {test}: it failed once and passed twice by itself. It failed with")
        print(run.events.outcomes[test].text)
    result.passed += len(run.events.named("passed"))
    result.skipped += len(run.events.named("skipped"))
    result.verdict.failed += judged.failed
    result.verdict.flaky += judged.flaky
    result.verdict.quarantined += judged.quarantined
    if run.problem:
        result.problems.append(run.problem)


def _passes_alone(test: str, step: Selection, deadline: float) -> bool:
    seconds = max(60.0, deadline - time.monotonic())
    run = pytest_run.run_alone(test, step, seconds=seconds)
    passed = run.events.named("passed") == [test] and not run.problem
    if not passed:
        print(f"\n{test} failed again by itself:\n{run.output}\n{run.problem}")
    return passed


def table(results: Sequence[Result]) -> str:
    """Return the table of the suites, with a line for every test that did not simply pass."""
    lines = ["", f"{'suite':<12}{'passed':>8}{'failed':>8}{'flaky':>8}{'skipped':>9}{'time':>9}"]
    for result in results:
        counts = f"{result.passed:8}{result.failures:8}{len(result.verdict.flaky):8}{result.skipped:9}"
        minutes = f"{result.seconds / 60:5.1f} min"
        lines.append(f"{result.suite.name:<12}{counts}{minutes}{'  (only warns)' * result.suite.only_warns}")
    for result in results:
        for kind, tests in vars(result.verdict).items():
            lines += [f"{kind.upper()} {test}" for test in tests]
        lines += [f"FAILED {result.suite.name}: {problem}" for problem in result.problems]
    return "\n".join(lines)


def is_red(results: Sequence[Result]) -> bool:
    """Return whether the run fails."""
    return any(result.is_red for result in results) or sum(len(each.verdict.flaky) for each in results) > MOST_FLAKY


def _changed_since(commit: str) -> list[str]:
    """Return the files that differ from a commit, committed or not."""
    tracked = ["git", "diff", "--name-only", commit]
    untracked = ["git", "ls-files", "--others", "--exclude-standard"]
    return [
        line
        for command in (tracked, untracked)
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    ]


def _chosen(options: argparse.Namespace) -> list[str]:
    if options.full:
        return [suite.name for suite in SUITES]
    if options.since:
        return suites_of_changes(_changed_since(options.since))
    return options.suites or list(DEFAULT)


def main() -> int:
    """Run what the command line names and return the exit code."""
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    own, for_pytest = sys.argv[1:split], sys.argv[split + 1 :]
    parser = argparse.ArgumentParser(
        prog="scripts/test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="see --list")
    parser.add_argument("--full", action="store_true", help="run all suites")
    parser.add_argument(
        "--since", metavar="COMMIT", help="run the suites that the changes since this commit can affect"
    )
    parser.add_argument("--list", action="store_true", help="print the suites")
    options = parser.parse_args(own)
    if unknown := set(options.suites) - set(BY_NAME):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(BY_NAME)}")
    if options.list:
        for suite in SUITES:
            print(f"{suite.name:<12} at most {suite.minutes:2} min  {suite.description}")
        return 0
    limits.end_on_sigterm()
    limits.limit_memory()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # in order with what the steps print
    results = []
    for name in _chosen(options):
        print(f"\n===== {name}: {BY_NAME[name].description} =====")
        results.append(run_suite(BY_NAME[name], for_pytest))
    print(table(results))
    counts = {"passed": sum(each.passed for each in results), "failed": sum(each.failures for each in results)}
    print(f"\n{counts['passed']} passed, {counts['failed']} failed")
    return 1 if is_red(results) else 0


if __name__ == "__main__":
    sys.exit(main())
