"""The soak: an embedded cluster is killed, restarted and flooded for as long as it is told to, and must stay right.

``scripts/test --soak``: the rounds of `tests.faults.soaking` for TRAINJOB_SOAK_MINUTES (default 60), from
TRAINJOB_SOAK_SEED. In the end nothing may be left. The report goes to ``tests/soak-report.md``.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from jupyter_trainjob.cluster.daemon import launcher
from tests.embedded import embedded_cluster, processes_of
from tests.faults.soaking import Soak

REPORT = Path(__file__).parent / "soak-report.md"


def report(soak: Soak, minutes: float, seed: int, rounds: int) -> str:
    """Return what happened as Markdown."""

    def counted(counter: Counter[str]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())

    def grown(values: list[int], unit: int = 1) -> str:
        tenth = max(1, len(values) // 10)
        early, late = (sorted(part)[len(part) // 2] // unit for part in (values[:tenth], values[-tenth:]))
        return f"{early} in the first tenth of the rounds, {late} in the last"

    lines = [
        "# The last soak",
        "",
        f"{minutes:.0f} minutes on {os.cpu_count()} cores, seed {seed}, {rounds:,} rounds.",
        "",
        f"- jobs: {counted(soak.outcomes)}",
        f"- killed with -9, in one moment: {counted(soak.kills)}",
        f"- requests: {soak.requests:,}",
        f"- MiB of the daemon (medians): {grown(soak.memory, 1 << 20)}",
        f"- file descriptors: {grown(soak.descriptors)}",
        f"- threads: {grown(soak.threads)}",
        f"- wrong: {len(soak.wrong)}",
        *(f"  - {line.splitlines()[0]}" for line in soak.wrong[:20]),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Soak; 0 if nothing was wrong."""
    minutes = float(os.environ.get("TRAINJOB_SOAK_MINUTES", "60"))
    seed = int(os.environ.get("TRAINJOB_SOAK_SEED", "1"))
    end = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory(prefix="trainjob-soak-") as folder, embedded_cluster(Path(folder) / "s") as state:
        soak = Soak(state, random.Random(seed))
        launcher.ensure_daemon(state)
        number = 0
        while time.monotonic() < end:
            number += 1
            soak.round(number)
            print(f"\rround {number}: {dict(soak.outcomes)}, wrong {len(soak.wrong)}", end="", flush=True)
    if processes := processes_of(state):
        soak.wrong.append(f"{len(processes)} processes are left")
    text = report(soak, minutes, seed, number)
    REPORT.write_text(text)
    print(f"\n{text}")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
