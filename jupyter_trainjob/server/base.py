"""What every route has: who may ask, an answer made on a thread, and errors as JSON, in words for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_trainjob import errors
from jupyter_trainjob.server.stream import RESOURCE

THREADS: Final = 16
"""Clusters may take their time to answer; so many may be asked at once."""
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="trainjob-route")


class Route(APIHandler):
    """A route of JSON. The verbs of its subclasses are authenticated and authorised each."""

    auth_resource = RESOURCE

    async def reply(self, work: Callable[[], Any]) -> None:
        """Answer with what `work` returns; it may ask a cluster, on a thread."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(_pool, work)
        except errors.TrainJobError as error:
            raise web.HTTPError(status_of(error), str(error).replace("%", "%%"), reason=type(error).__name__) from error
        self.finish(found)

    def given(self, name: str) -> str | None:
        """Return an argument of the query; None where it is not given."""
        return self.get_query_argument(name, "") or None

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; 400 for anything else."""
        found = self.get_json_body()
        if not isinstance(found, dict):
            raise web.HTTPError(400, "Send a JSON object.")
        return found


def status_of(error: errors.TrainJobError) -> int:
    """Return the HTTP status that says what kind of error it is."""
    if isinstance(error, errors.ApiError):
        return 502 if error.code == 401 else error.code  # It is not this server that wants a login.
    if isinstance(error, errors.ClusterError):
        return 502
    return 400
