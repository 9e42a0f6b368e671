"""What decides whether a change lands: installation, ``scripts/test``, the journeys; ``.ci/run`` runs it.

Runs with any Python, before anything is installed. Each stage has a limit under which it is explained and ended, and
the next one runs all the same, so that the gate always ends by itself within an hour.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from typing import Final

from tests.suites import limits


@dataclass(frozen=True)
class Stage:
    """A command with its limit."""

    name: str
    minutes: float
    command: tuple[str, ...]


CHROMIUM: Final = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null"
STAGES: Final = (
    Stage("chromium", 5, ("sh", "-c", CHROMIUM)),
    Stage("install", 9, ("scripts/setup", "dev")),
    Stage("test", 22, ("scripts/test",)),
    Stage("journeys", 22, ("scripts/test", "journeys")),
)


def main() -> int:
    """Run all stages, print their table, and return the exit code."""
    os.environ.setdefault("TRAINJOB_TEST_PATIENCE", "3")
    limits.end_on_sigterm()
    lines, red = [], False
    for stage in STAGES:
        if stage.name == "chromium" and shutil.which("chromium"):
            continue
        print(f"\n######## {stage.name}", flush=True)
        started = time.monotonic()
        code = limits.run(stage.command, seconds=stage.minutes * 60)
        said = "over its limit" if code is None else "passed" if code == 0 else f"failed ({code})"
        lines.append(f"{stage.name:<10}{said:<16}{(time.monotonic() - started) / 60:5.1f} of {stage.minutes} min")
        red = red or code != 0
    print("\n######## stages", *lines, sep="\n", flush=True)
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
