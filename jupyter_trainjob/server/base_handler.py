"""Base handler: authorization, thread offload, JSON errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_trainjob import errors
from jupyter_trainjob.server.access_policy import Policy
from jupyter_trainjob.server.stream_socket import RESOURCE

Result = TypeVar("Result")

THREADS: Final = 16
"""Maximum requests to clusters at a time; a cluster may answer slowly."""
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="trainjob-route")


class Route(APIHandler):
    """Base class of the JSON routes. Each method of a subclass has its own authentication and authorization."""

    auth_resource = RESOURCE

    @property
    def policy(self) -> Policy:
        """Return the access policy."""
        policy: Policy = self.settings[Policy.SETTING]
        return policy

    async def reply(self, work: Callable[[], Any]) -> None:
        """Reply with the result of `work`, which runs on a thread and may send requests to a cluster."""
        self.finish(await self.run_on_thread(work))

    async def reply_or_unreachable(self, work: Callable[[], dict[str, Any]]) -> None:
        """Reply with the result of `work`, or with ``away``, the error message, if the cluster cannot be reached.

        An unreachable cluster is no HTTP error: browsers log each failed request in the page's console.
        """
        try:
            self.finish(await _on_thread(work))
        except errors.TrainJobError as error:
            with translate_errors():
                if http_status(error) != 502:
                    raise
            self.finish({"away": str(error)})

    async def run_on_thread(self, work: Callable[[], Result]) -> Result:
        """Run `work` on a thread and return its result; raise its errors as `web.HTTPError`."""
        with translate_errors():
            return await _on_thread(work)

    def context(self) -> str | None:
        """Return the context of the query, None for the default one; raise 403 if it is not allowed."""
        name = self.query_argument("context")
        self.check_context(name)
        return name

    def check_context(self, context: str | None) -> None:
        """Raise 403 for a context that is not allowed."""
        with translate_errors():
            self.policy.check_context(context)

    def query_argument(self, name: str) -> str | None:
        """Return an argument of the query; None if it is missing or empty."""
        return self.get_query_argument(name, "") or None

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the request's body; raise 400 for anything else."""
        content = self.get_json_body()
        if not isinstance(content, dict):
            raise web.HTTPError(400, "Send a JSON object.")
        return content


async def _on_thread(work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(_pool, work)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn `errors.TrainJobError` into `web.HTTPError` with the same message."""
    try:
        yield
    except errors.TrainJobError as error:
        raise web.HTTPError(http_status(error), str(error).replace("%", "%%"), reason=type(error).__name__) from error


def http_status(error: errors.TrainJobError) -> int:
    """Return the HTTP status for an error."""
    if isinstance(error, errors.ApiError):
        return 502 if error.code == 401 else error.code  # 401 would ask for a login at the Jupyter server.
    if isinstance(error, errors.ClusterError):
        return 502
    return 400
