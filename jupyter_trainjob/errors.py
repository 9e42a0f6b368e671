"""Errors and warnings of this package. Each message states what happened, why, and the remedy.

::

    TrainJobError
    ├── UsageError            the request is invalid; nothing was sent
    │   └── CaptureError      a value of the notebook cannot be sent
    ├── ClusterError          the embedded cluster cannot be started or reached
    ├── JobError              a job has no result
    │   ├── JobFailed         a rank was killed, or the job exceeded a limit; what the cell raised is raised itself
    │   ├── JobStopped        the job was stopped or deleted
    │   ├── NoResult          the job is complete, but what a rank returned cannot be read
    │   └── MissingOut        the job is complete, but the cell did not assign a name of ``--out``; also a KeyError
    ├── StorageError          the store of ``--storage URL`` cannot be reached
    ├── JobTimeout            ``wait(timeout=…)`` ran out; the job continues
    └── ApiError              the API server refused a request (a Kubernetes ``Status``)
        ├── BadRequest        400
        ├── Unauthorized      401
        ├── Forbidden         403
        ├── NotFound          404
        ├── Conflict          409  ── AlreadyExists (reason)
        ├── Expired           410
        ├── Invalid           422
        └── ServerError       5xx
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean X?" for the most similar of the `known` words; empty if none is similar.

    >>> did_you_mean("digit", ["digits", "weights"])
    ' Did you mean digits?'
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[near[0]]}?" if near else ""


def listed(word: str, known: Iterable[str], *, most: int = 5, rest: str = "") -> str:
    """Return " Available: …" with the `known` words, those like `word` first, and the number of others.

    `rest` names the command that shows them. Empty if `known` is empty.
    """
    names = list(dict.fromkeys(known))
    if not names:
        return ""
    lowered = word.lower()

    def likeness(name: str) -> float:
        lower = name.lower()
        near = max(
            difflib.SequenceMatcher(None, lowered, candidate).ratio() for candidate in (lower, lower.rpartition("-")[0])
        )
        return near if near >= 0.6 else 0.0  # Dissimilar names keep their order.

    first = sorted(names, key=likeness, reverse=True)[:most]
    more = len(names) - len(first)
    return f" Available: {', '.join(first)}{f' and {more} more{rest}' if more else ''}."


class TrainJobError(Exception):
    """Base of all errors of this package."""

    def _render_traceback_(self) -> list[str]:
        """Make IPython show only the message: the frames of this package would hide the cause."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(TrainJobError):
    """The request is invalid; nothing was sent."""


class CaptureError(UsageError):
    """A value that the cell uses cannot be packed; the message names it and the path inside it."""


class ClusterError(TrainJobError):
    """The embedded cluster cannot be started or reached."""


class StorageError(TrainJobError):
    """The store of ``--storage URL`` cannot be read or written from here."""


class JobError(TrainJobError):
    """A job has no result."""


class JobFailed(JobError):
    """A rank was killed or ended with an exit code, or the job exceeded a limit.

    An exception of the cell is raised itself, if it can be rebuilt; else this replaces it. ``rank`` is the
    rank that failed first, None if no rank is the cause; ``traceback`` is its traceback as text.
    """

    def __init__(self, message: str, *, rank: int | None = None, traceback: str = "") -> None:
        super().__init__(message)
        self.rank = rank
        self.traceback = traceback


class JobStopped(JobError):
    """The job was stopped or deleted before it had a result."""


class NoResult(JobError):
    """The job is complete, but what a rank returned cannot be read: it could not be pickled, or was removed."""


class MissingOut(JobError, KeyError):
    """The job is complete, but the cell did not assign a name that was read from `TrainJob.out`."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr of the message.


class NoCheckpoint(UserWarning):
    """A job was stopped before it had written a checkpoint: after `TrainJob.resume` it starts from the beginning."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has written no checkpoint: resume() starts from the beginning. To continue, save checkpoints in "
            "checkpoint_dir() and load them from there."
        )


class LinesLeftOut(UserWarning):
    """More lines of a log were requested than are kept."""


class RunsDifferently(UserWarning):
    """A job was sent again, and its runtime or versions differ from the first time."""


class JobTimeout(TrainJobError):
    """The timeout of `TrainJob.wait` or `TrainJob.result` ran out. The job continues."""


class ApiError(TrainJobError):
    """A Kubernetes ``Status`` other than success.

    ``code`` is the HTTP status, ``reason`` Kubernetes' machine-readable reason, ``status`` the whole Status object.
    """

    def __init__(self, code: int, reason: str, message: str, status: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.status = status or {}

    @staticmethod
    def of(code: int, status: dict[str, Any]) -> ApiError:
        """Return the most specific error for an HTTP status and its Status object."""
        reason = str(status.get("reason") or "Unknown")
        kind = _BY_REASON.get(reason) or _BY_CODE.get(code) or (ServerError if code >= 500 else ApiError)
        return kind(code, reason, str(status.get("message") or f"HTTP {code}"), status)


class BadRequest(ApiError):
    """400: the server could not understand the request."""


class Unauthorized(ApiError):
    """401: no valid credentials."""

    def __str__(self) -> str:
        return f"The cluster rejected your credentials ({self.message}): log in again, as for kubectl."


class Forbidden(ApiError):
    """403: the credentials lack a right."""


class NotFound(ApiError):
    """404: no such object or resource."""


class Conflict(ApiError):
    """409: the object has changed since it was read."""


class AlreadyExists(Conflict):
    """409: an object of that name exists."""


class Expired(ApiError):
    """410: the resourceVersion is too old; list again."""


class Invalid(ApiError):
    """422: the object breaks a rule of its schema."""


class ServerError(ApiError):
    """5xx: the server failed, or is still starting."""


_BY_REASON: dict[str, type[ApiError]] = {"AlreadyExists": AlreadyExists, "Expired": Expired, "Gone": Expired}
_BY_CODE: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
}
