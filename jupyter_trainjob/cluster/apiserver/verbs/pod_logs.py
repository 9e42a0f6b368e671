"""``pods/NAME/log``: validate the options and stream the log of a container.

The agent implements `LogSource`; its chunks are sent as they arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from jupyter_trainjob.api import times
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.apiserver import status_errors
from jupyter_trainjob.cluster.apiserver.requests.request_bodies import bool_parameter, int_parameter
from jupyter_trainjob.cluster.apiserver.responses import Body, Stream
from jupyter_trainjob.kube.transport import Request

_TEXT = "text/plain"


class LogStream(Protocol):
    """The chunks of a log, until it ends or is closed."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks."""

    def close(self) -> None:
        """End the stream; callable from any thread."""


class LogSource(Protocol):
    """Provides the logs of pods."""

    def open(
        self,
        pod: KubeObject,
        *,
        container: str,
        follow: bool,
        timestamps: bool,
        tail_lines: int | None,
        since_time: str | None,
        limit_bytes: int | None,
        previous: bool,
    ) -> LogStream:
        """Return the log of one container; raises `errors.ApiError` if there is none."""


def log_response(
    request: Request, pod: KubeObject, source: LogSource | None, now: Callable[[], datetime]
) -> Body | Stream:
    """Return the response to a request for the log of a pod."""
    query = request.query
    container = _select_container(pod, query.get("container", ""))
    since = query.get("sinceTime") or None
    seconds = int_parameter(query, "sinceSeconds")
    if seconds is not None:
        if since is not None:
            raise status_errors.bad_request("at most one of sinceTime or sinceSeconds may be specified")
        since = times.timestamp(now() - timedelta(seconds=seconds))
    tail, limit = int_parameter(query, "tailLines"), int_parameter(query, "limitBytes")
    for name, value in (("tailLines", tail), ("limitBytes", limit), ("sinceSeconds", seconds)):
        if value is not None and value < (name != "tailLines"):
            raise status_errors.bad_request(f"{name}: Invalid value: {value}: must not be negative or zero")
    if source is None or not (pod.get("spec") or {}).get("nodeName"):
        return Body(b"", content_type=_TEXT)
    stream = source.open(
        pod,
        container=container,
        follow=bool_parameter(query, "follow"),
        timestamps=bool_parameter(query, "timestamps"),
        tail_lines=tail,
        since_time=since,
        limit_bytes=limit,
        previous=bool_parameter(query, "previous"),
    )
    return Stream(stream, content_type=_TEXT)


def _select_container(pod: KubeObject, requested: str) -> str:
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [container["name"] for container in spec.get("containers") or ()]
    init = [container["name"] for container in spec.get("initContainers") or ()]
    if requested:
        if requested not in containers + init:
            raise status_errors.bad_request(f"container {requested} is not valid for pod {name}")
        return requested
    if len(containers) == 1:
        return str(containers[0])
    choices = " ".join(init + containers)
    raise status_errors.bad_request(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
