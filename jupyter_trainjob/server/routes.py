"""Every URL of the extension and what answers it."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_trainjob.client import jobs
from jupyter_trainjob.server import clusters, form
from jupyter_trainjob.server.base import Route
from jupyter_trainjob.server.stream import StreamHandler


class ClustersRoute(Route):
    """The contexts that there are."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List them; none is connected to."""
        await self.reply(lambda: {"clusters": clusters.known()})


class EmbeddedRoute(Route):
    """The embedded cluster's life."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Start or stop it."""
        do = self.body().get("do")
        await self.reply(lambda: clusters.embedded(do))


class NamespacesRoute(Route):
    """The namespaces of a context."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List them."""
        context = self.given("context")
        await self.reply(lambda: clusters.namespaces(context))


class CapacityRoute(Route):
    """What the nodes of a context have, and what is free."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Say it of each node."""
        context = self.given("context")
        await self.reply(lambda: clusters.capacity(context))


class RuntimesRoute(Route):
    """The runtimes of a namespace."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List them."""
        context, namespace = self.given("context"), self.given("namespace")
        await self.reply(lambda: clusters.runtimes(context, namespace))


class DoctorRoute(Route):
    """What is wrong, and what to do."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Look at this computer and a context."""
        context = self.given("context")
        await self.reply(lambda: clusters.doctor(context))


class FormRoute(Route):
    """The line of a new job."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Write it, and say what is wrong."""
        body = self.body()
        typed, context, namespace = body.get("options"), body.get("context"), body.get("namespace")
        if not isinstance(typed, dict) or not all(isinstance(each, str | None) for each in (context, namespace)):
            raise web.HTTPError(400, "Send `options`, an object, with `context` and `namespace`, texts or null.")
        await self.reply(lambda: form.drafted(typed, context=context or None, namespace=namespace or None))


class MetricsRoute(Route):
    """What a job has reported."""

    @web.authenticated
    @authorized
    async def get(self, namespace: str, name: str) -> None:
        """Return it as columns of equal length."""
        context = self.given("context")
        await self.reply(lambda: {"metrics": jobs.get(name, context=context, namespace=namespace).metrics()})


ROUTES: list[tuple[str, type[Any]]] = [
    (r"/jupyter-trainjob/stream", StreamHandler),
    (r"/jupyter-trainjob/clusters", ClustersRoute),
    (r"/jupyter-trainjob/embedded", EmbeddedRoute),
    (r"/jupyter-trainjob/namespaces", NamespacesRoute),
    (r"/jupyter-trainjob/capacity", CapacityRoute),
    (r"/jupyter-trainjob/runtimes", RuntimesRoute),
    (r"/jupyter-trainjob/doctor", DoctorRoute),
    (r"/jupyter-trainjob/form", FormRoute),
    (r"/jupyter-trainjob/metrics/([a-z0-9.-]+)/([a-z0-9.-]+)", MetricsRoute),
]
