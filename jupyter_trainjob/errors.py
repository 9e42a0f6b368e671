"""Every error that a user can see. Each message says what happened, why, and what to do.

::

    TrainJobError
    ├── UsageError            the request itself is wrong; nothing was sent
    │   └── CaptureError      a value of the notebook cannot travel
    ├── ClusterError          the embedded cluster cannot be started or reached
    ├── JobError              a job did not end well
    │   ├── JobFailed         a rank was killed, or the job passed a limit; what the cell raised is raised itself
    │   ├── JobStopped        somebody stopped or deleted it
    │   └── NoResult          it ended well, but what a rank returned cannot be read
    ├── StorageError          what lies behind ``--storage URL`` cannot be reached
    ├── JobTimeout            ``wait(timeout=…)`` ran out; the job goes on
    └── ApiError              the API server said no (a Kubernetes ``Status``)
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

from typing import Any


class TrainJobError(Exception):
    """Base of all errors of this package."""

    def _render_traceback_(self) -> list[str]:
        """Let IPython show the message alone: the frames of this package would bury what happened in the job."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(TrainJobError):
    """The request is wrong; nothing was sent."""


class CaptureError(UsageError):
    """A value that the cell uses cannot be packed; the message names it and the path inside it."""


class ClusterError(TrainJobError):
    """The embedded cluster cannot be started or reached."""


class StorageError(TrainJobError):
    """What lies behind ``--storage URL`` cannot be read or written from here."""


class JobError(TrainJobError):
    """A job did not end well."""


class JobFailed(JobError):
    """A rank was killed, left with an exit code, or the job passed a limit.

    What the cell raised is raised in the notebook as it is; this stands for it only where that is not possible.
    ``rank`` is the rank that failed first (None where no rank is to blame), ``traceback`` its traceback as text.
    """

    def __init__(self, message: str, *, rank: int | None = None, traceback: str = "") -> None:
        super().__init__(message)
        self.rank = rank
        self.traceback = traceback


class JobStopped(JobError):
    """The job was stopped or deleted before it had a result."""


class NoResult(JobError):
    """The job ended well, but what one of its ranks returned cannot be read: it could not be sent, or is gone."""


class NoCheckpoint(UserWarning):
    """A job was stopped that has written nothing into ``checkpoint_dir()``: resumed, it begins anew."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has written no checkpoint: resume() begins its cell at the first line. Save into "
            "checkpoint_dir(), and load from there, to go on."
        )


class RunsDifferently(UserWarning):
    """A job was sent again, and something that it runs with is not as it was."""


class JobTimeout(TrainJobError):
    """``wait(timeout=…)`` ran out. The job goes on."""


class ApiError(TrainJobError):
    """A Kubernetes ``Status`` other than success.

    ``code`` is the HTTP status, ``reason`` Kubernetes' word for it, ``status`` the whole Status object.
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
        return f"The cluster does not take your credentials ({self.message}): log in again, as for kubectl."


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
    """5xx: the server failed, or is not there yet."""


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
