"""What a suite's tests say: failed, flaky, or quarantined."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MOST_FLAKY: Final = 3
"""Flaky tests in a run of `scripts/test`, beyond which it fails."""
RERUNS: Final = 2
MOST_RERUN: Final = 10
"""Failed tests of a step that run again: more did not fail by chance."""


@dataclass
class Verdict:
    """The tests of a suite that did not simply pass, by node id."""

    failed: list[str] = field(default_factory=list)
    flaky: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)


def select_reruns(failed: Sequence[str], *, reruns: bool, quarantined: Collection[str]) -> list[str]:
    """Return which failed tests run again, alone: none of a step without `reruns`, and none if there are too many."""
    candidates = [test for test in failed if test not in quarantined]
    return candidates if reruns and len(candidates) <= MOST_RERUN else []


def judge(failed: Sequence[str], *, reruns: Mapping[str, Sequence[bool]], quarantined: Collection[str] = ()) -> Verdict:
    """Return the verdict on the failed tests of a step; `reruns` has whether each rerun of a test passed."""
    verdict = Verdict()
    for test in failed:
        again = reruns.get(test, ())
        if test in quarantined:
            verdict.quarantined.append(test)
        elif len(again) == RERUNS and all(again):
            verdict.flaky.append(test)
        else:
            verdict.failed.append(test)
    return verdict
