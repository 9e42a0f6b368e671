"""What every route has: who may ask, an answer made on a thread, and errors as JSON, in words for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from jupyter_server.base.handlers import APIHandler
from tornado import web

from jupyter_trainjob import errors
from jupyter_trainjob.server.policy import Policy
from jupyter_trainjob.server.stream import RESOURCE

Found = TypeVar("Found")

THREADS: Final = 16
"""Clusters may take their time to answer; so many may be asked at once."""
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="trainjob-route")


class Route(APIHandler):
    """A route of JSON. The verbs of its subclasses are authenticated and authorised each."""

    auth_resource = RESOURCE

    @property
    def policy(self) -> Policy:
        """What users may do here."""
        found: Policy = self.settings[Policy.SETTING]
        return found

    async def reply(self, work: Callable[[], Any]) -> None:
        """Answer with what `work` returns; it may ask a cluster, on a thread."""
        self.finish(await self.ask(work))

    async def ask(self, work: Callable[[], Found]) -> Found:
        """Return what `work` does, on a thread; what it raises becomes the answer."""
        with answered():
            return await asyncio.get_running_loop().run_in_executor(_pool, work)

    def context(self) -> str | None:
        """Return the context that the query names, if it may be used; None for that of calls that name none."""
        name = self.given("context")
        self.check(name)
        return name

    def check(self, context: str | None) -> None:
        """Refuse a context that may not be used here."""
        with answered():
            self.policy.check(context)

    def given(self, name: str) -> str | None:
        """Return an argument of the query; None where it is not given."""
        return self.get_query_argument(name, "") or None

    def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; 400 for anything else."""
        found = self.get_json_body()
        if not isinstance(found, dict):
            raise web.HTTPError(400, "Send a JSON object.")
        return found


@contextmanager
def answered() -> Iterator[None]:
    """Let our errors become the answer that says why not."""
    try:
        yield
    except errors.TrainJobError as error:
        raise web.HTTPError(status_of(error), str(error).replace("%", "%%"), reason=type(error).__name__) from error


def status_of(error: errors.TrainJobError) -> int:
    """Return the HTTP status that says what kind of error it is."""
    if isinstance(error, errors.ApiError):
        return 502 if error.code == 401 else error.code  # It is not this server that wants a login.
    if isinstance(error, errors.ClusterError):
        return 502
    return 400
