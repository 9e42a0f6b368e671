"""``doctor``: looks at this computer (`computer`) and at clusters (`clusters`), and says what is wrong and what to do.

Looks only: it starts no daemon and changes nothing. Each check is a function that returns `Check`s; one that breaks is
a problem of its own, and hides no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from jupyter_trainjob.client.doctor import clusters, computer
from jupyter_trainjob.client.doctor.check import NOTE, OK, PROBLEM, Check

__all__ = ["NOTE", "OK", "PROBLEM", "Check", "examine"]


Look = tuple[str, Callable[[], Sequence[Check]]]


def examine(*, context: str | None = None, looks: Sequence[Look] = computer.LOOKS) -> list[Check]:
    """Return what there is to say about this computer, and about `context` or else every context of the kubeconfig."""
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="trainjob-doctor") as pool:
        pending = [(name, pool.submit(look)) for name, look in (*looks, *clusters.looks(context))]
        found: list[Check] = []
        for name, answer in pending:
            found += answer.result() if (error := answer.exception()) is None else [_broken(name, error)]
    return found


def _broken(name: str, error: BaseException) -> Check:
    return Check(name, PROBLEM, f"it cannot be looked at: {type(error).__name__}: {error}")
