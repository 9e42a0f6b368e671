"""``pods/NAME/log``: finds the pod and its container, and hands the request on to whoever runs pods.

The agent is that `LogSource`; what it yields goes out as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.apiserver import status
from jupyter_trainjob.cluster.apiserver.bodies import flag, integer
from jupyter_trainjob.cluster.apiserver.responses import Body, Stream
from jupyter_trainjob.kube.transport import Request

_TEXT = "text/plain"


class LogStream(Protocol):
    """Chunks of a log, until it ends or is closed."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks."""

    def close(self) -> None:
        """End the stream, from any thread."""


class LogSource(Protocol):
    """Where logs of pods come from."""

    def open(
        self,
        pod: Object,
        *,
        container: str,
        follow: bool,
        timestamps: bool,
        tail_lines: int | None,
        since_time: str | None,
        limit_bytes: int | None,
        previous: bool,
    ) -> LogStream:
        """Return the log of one container; raise an `errors.ApiError` where there is none."""


def answer(request: Request, pod: Object, source: LogSource | None, now: Callable[[], datetime]) -> Body | Stream:
    """Answer a request for the log of a pod."""
    query = request.query
    container = _container(pod, query.get("container", ""))
    since = query.get("sinceTime") or None
    seconds = integer(query, "sinceSeconds")
    if seconds is not None:
        if since is not None:
            raise status.bad_request("at most one of sinceTime or sinceSeconds may be specified")
        since = times.timestamp(now() - timedelta(seconds=seconds))
    tail, limit = integer(query, "tailLines"), integer(query, "limitBytes")
    for name, value in (("tailLines", tail), ("limitBytes", limit), ("sinceSeconds", seconds)):
        if value is not None and value < (name != "tailLines"):
            raise status.bad_request(f"{name}: Invalid value: {value}: must not be negative or zero")
    if source is None or not (pod.get("spec") or {}).get("nodeName"):
        return Body(b"", content_type=_TEXT)
    stream = source.open(
        pod,
        container=container,
        follow=flag(query, "follow"),
        timestamps=flag(query, "timestamps"),
        tail_lines=tail,
        since_time=since,
        limit_bytes=limit,
        previous=flag(query, "previous"),
    )
    return Stream(stream, content_type=_TEXT)


def _container(pod: Object, asked: str) -> str:
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [each["name"] for each in spec.get("containers") or ()]
    init = [each["name"] for each in spec.get("initContainers") or ()]
    if asked:
        if asked not in containers + init:
            raise status.bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(containers) == 1:
        return str(containers[0])
    choices = " ".join(init + containers)
    raise status.bad_request(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
