"""Progress of a submission, and its cancellation by Ctrl-C.

`submit` announces the steps while it packs and sends; the card and the terminal show them. Objects are created on a
separate thread, so that an interrupt never aborts a request: the thread checks for it between two requests, deletes
the objects that it has created, and then `NotSent` is raised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from jupyter_trainjob import errors

T = TypeVar("T")

OnStep = Callable[[str, str], None]
"""Called with a step, one of the names below, and a detail; a second call with the same step replaces the detail."""

PACKING = "Packing"
STARTING = "Starting the cluster on this computer"
SENDING = "Sending"
QUEUED = "Queued"

BEGIN: Final = 1.0
"""Seconds to wait for a new thread to begin."""


class NotSent(KeyboardInterrupt):
    """Ctrl-C came before the job existed: nothing was sent, or everything was removed again."""

    def _render_traceback_(self) -> list[str]:
        """Let IPython show the message alone."""
        return [f"{type(self).__name__}: {self}"]


class Cancelled(errors.TrainJobError):
    """The creation of a job was cancelled; all of its objects were deleted."""


def ignore_step(_step: str, _text: str = "") -> None:
    """Ignore a step."""


def cancellable(create: Callable[[Callable[[], bool]], T]) -> T:
    """Return what ``create(cancelled)`` returns, which runs on a thread; Ctrl-C makes `cancelled` true.

    Raises `NotSent` once `create` has raised `Cancelled`. A second Ctrl-C does not wait for that.
    """
    started, cancelled = threading.Event(), threading.Event()
    done: Future[T] = Future()

    def run() -> None:
        started.set()
        try:
            done.set_result(create(cancelled.is_set))
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            done.set_exception(error)

    thread = threading.Thread(target=run, name="trainjob-send")
    try:
        thread.start()
        return done.result()
    except KeyboardInterrupt:
        cancelled.set()
    try:
        if not started.wait(BEGIN):  # The thread has not started yet; `create` will see `cancelled` at once.
            raise Cancelled
        return done.result()  # The job may have been created before `create` checked `cancelled`.
    except Cancelled:
        raise NotSent("Interrupted: nothing was sent.") from None
    except KeyboardInterrupt:
        raise NotSent("Interrupted twice: the objects that were sent are being deleted in the background.") from None
