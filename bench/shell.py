"""Duration of commands of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench import jobs
from bench.table import Row
from jupyter_trainjob.cluster.daemon import launcher


def rows(repeat: int = 5) -> list[Row]:
    """Measure ``list`` on a running embedded cluster, and an error about an unknown context."""

    def duration(*words: str) -> float:
        environment = {**os.environ, "KUBECONFIG": os.devnull + "/absent"}
        started_at = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "jupyter_trainjob.cli.main", *words],
            env=environment,
            capture_output=True,
            check=False,
        )
        return time.perf_counter() - started_at

    with jobs.cluster():
        launcher.ensure_daemon()
        durations = [duration("list") for _ in range(repeat)]
        error_durations = [duration("list", "--context", "nope") for _ in range(repeat)]
    return [
        Row("`jupyter-trainjob list`", durations, "s", "≤ 0.5 s"),
        Row("… of a context that does not exist", error_durations, "s", "≤ 0.5 s"),
    ]
