"""The routes of the extension."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from jupyter_trainjob.server import cell_origin, cluster_routes, job_form, metrics_json
from jupyter_trainjob.server.api_proxy import ProxyRoute
from jupyter_trainjob.server.base_handler import Route
from jupyter_trainjob.server.stream_socket import StreamHandler


class ClustersRoute(Route):
    """The embedded cluster and the contexts of the kubeconfig."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List the clusters without connecting to them."""
        await self.reply(lambda: cluster_routes.list_clusters(self.policy.contexts))


class EmbeddedRoute(Route):
    """Start and stop of the embedded cluster."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Start or stop the embedded cluster."""
        action = self.body().get("do")
        self.check_context(EMBEDDED_CONTEXT)

        def control() -> dict[str, Any]:
            self.policy.check_cluster_control()
            return cluster_routes.control_embedded(action)

        await self.reply(control)


class NamespacesRoute(Route):
    """The namespaces of a context."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List the namespaces."""
        context = self.context()
        await self.reply_or_unreachable(lambda: cluster_routes.list_namespaces(context))


class CapacityRoute(Route):
    """The total and the free capacity of a cluster's nodes."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the capacity of each node."""
        context = self.context()
        await self.reply_or_unreachable(lambda: cluster_routes.read_capacity(context))


class RuntimesRoute(Route):
    """The runtimes of a namespace."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """List the runtimes."""
        context, namespace = self.context(), self.query_argument("namespace")
        await self.reply_or_unreachable(lambda: cluster_routes.list_runtimes(context, namespace))


class DoctorRoute(Route):
    """Problems of this computer and the clusters, with their remedies."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Check this computer and a context, or all contexts."""
        context = self.context()
        allowed = self.policy.contexts
        await self.reply(lambda: cluster_routes.run_doctor(context, allowed))


class FormRoute(Route):
    """The form of a new job: its fields, and the magic's line for their texts."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the fields of the form."""
        await self.reply(lambda: {"fields": job_form.form_fields()})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Return the line, or the problems of the fields."""
        body = self.body()
        options, context, namespace = body.get("options"), body.get("context"), body.get("namespace")
        texts = [*options.values()] if isinstance(options, dict) else [None]
        if None in texts or not all(isinstance(text, str | None) for text in (*texts, context, namespace)):
            raise web.HTTPError(
                400, "Send `options`, an object of strings, with `context` and `namespace`, strings or null."
            )
        self.check_context(context or None)
        await self.reply_or_unreachable(
            lambda: job_form.draft_line(dict(options or {}), context=context or None, namespace=namespace or None)
        )


class MetricsRoute(Route):
    """The reported metrics of a job."""

    @web.authenticated
    @authorized
    async def get(self, namespace: str, name: str) -> None:
        """Return the metrics as columns of equal length."""
        context = self.context()
        await self.reply(lambda: metrics_json.read_metrics(context, namespace, name))


class OriginRoute(Route):
    """The notebook and the cell that sent a job."""

    @web.authenticated
    @authorized
    async def get(self, namespace: str, name: str) -> None:
        """Return the notebook's path and the cell's source."""
        context = self.context()
        root = getattr(self.contents_manager, "root_dir", "")  # Only file-based contents managers have one.
        await self.reply(lambda: cell_origin.read_origin(context, namespace, name, root=Path(root) if root else None))


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
