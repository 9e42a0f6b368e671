"""Every URL of the extension and what answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from jupyter_trainjob.server import clusters, form, origin, reported
from jupyter_trainjob.server.base import Route
from jupyter_trainjob.server.proxy import ProxyRoute
from jupyter_trainjob.server.stream import StreamHandler


class ClustersRoute(Route):
    """The contexts that there are."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List them; none is connected to."""
        await self.reply(lambda: clusters.known(self.policy.contexts))


class EmbeddedRoute(Route):
    """The embedded cluster's life."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Start or stop it."""
        do = self.body().get("do")
        self.check(EMBEDDED_CONTEXT)

        def control() -> dict[str, Any]:
            self.policy.check_control()
            return clusters.embedded(do)

        await self.reply(control)


class NamespacesRoute(Route):
    """The namespaces of a context."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List them."""
        context = self.context()
        await self.reply(lambda: clusters.namespaces(context))


class CapacityRoute(Route):
    """What the nodes of a context have, and what is free."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Say it of each node."""
        context = self.context()
        await self.reply(lambda: clusters.capacity(context))


class RuntimesRoute(Route):
    """The runtimes of a namespace."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List them."""
        context, namespace = self.context(), self.given("namespace")
        await self.reply(lambda: clusters.runtimes(context, namespace))


class DoctorRoute(Route):
    """What is wrong, and what to do."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Look at this computer and a context."""
        context = self.context()
        allowed = self.policy.contexts
        await self.reply(lambda: clusters.doctor(context, allowed))


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
        self.check(context or None)
        await self.reply(lambda: form.drafted(typed, context=context or None, namespace=namespace or None))


class MetricsRoute(Route):
    """What a job has reported."""

    @web.authenticated
    @authorized
    async def get(self, namespace: str, name: str) -> None:
        """Return it as columns of equal length."""
        context = self.context()
        await self.reply(lambda: reported.columns(context, namespace, name))


class OriginRoute(Route):
    """Where a job was sent from."""

    @web.authenticated
    @authorized
    async def get(self, namespace: str, name: str) -> None:
        """Say which notebook and cell that was."""
        context = self.context()
        root = getattr(self.contents_manager, "root_dir", "")  # Of contents that are files.
        await self.reply(lambda: origin.of(context, namespace, name, root=Path(root) if root else None))


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
    (r"/jupyter-trainjob/origin/([a-z0-9.-]+)/([a-z0-9.-]+)", OriginRoute),
    (r"/jupyter-trainjob/api/([^/]+)/(.+)", ProxyRoute),
]
