"""Run all checks. An exception in one is reported as a problem and does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from jupyter_trainjob.client.doctor import cluster_checks, computer_checks
from jupyter_trainjob.client.doctor.finding import PROBLEM, Check

NamedCheck = tuple[str, Callable[[], Sequence[Check]]]


def examine(*, context: str | None = None, checks: Sequence[NamedCheck] = computer_checks.CHECKS) -> list[Check]:
    """Return the findings about this computer, and about `context` or else every context of the kubeconfig."""
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="trainjob-doctor") as pool:
        pending = [(name, pool.submit(run)) for name, run in (*checks, *cluster_checks.context_checks(context))]
        findings: list[Check] = []
        for name, future in pending:
            findings += future.result() if (error := future.exception()) is None else [_broken(name, error)]
    return findings


def _broken(name: str, error: BaseException) -> Check:
    return Check(name, PROBLEM, f"the check failed: {type(error).__name__}: {error}")
