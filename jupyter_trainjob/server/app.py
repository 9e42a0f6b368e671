"""The Jupyter server extension: its name, settings, routes and shutdown."""

from __future__ import annotations

from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Dict, List, TraitError, Unicode, validate

from jupyter_trainjob import errors
from jupyter_trainjob.server import proxy_rules, routes
from jupyter_trainjob.server.access_policy import Policy
from jupyter_trainjob.server.api_proxy import OpenStreams
from jupyter_trainjob.server.stream_socket import OpenSockets


class TrainJobApp(ExtensionApp):
    """Serves JupyterLab's sidebar. Its settings are under ``c.TrainJobApp``."""

    name = "jupyter_trainjob"

    contexts = List(
        Unicode(), help="Contexts of the kubeconfig, and trainjob-local, that may be used here. Empty: all."
    ).tag(config=True)
    proxy = Bool(True, help="Pass requests of the Kubernetes API on to the clusters, as far as proxy_allows.").tag(
        config=True
    )
    proxy_allows = Dict(
        value_trait=List(Unicode()),
        key_trait=Unicode(),
        default_value={resource: list(verbs) for resource, verbs in proxy_rules.DEFAULT.items()},
        help="What the proxy passes on: verbs by plural.group/subresource, as in {'pods': ['get', 'list', 'watch']}. "
        "Secrets, tokens, exec, attach, port-forward and proxies are never passed on.",
    ).tag(config=True)
    cluster_control = Bool(True, help="Let users start and stop the embedded cluster from the sidebar.").tag(
        config=True
    )

    @validate("proxy_allows")
    def _check_table(self, proposal: dict[str, Any]) -> Any:
        try:
            proxy_rules.check_table(proposal["value"])
        except errors.UsageError as error:
            raise TraitError(str(error)) from error
        return proposal["value"]

    def initialize_settings(self) -> None:
        """Create the objects that the handlers share."""
        self.settings[OpenSockets.SETTING] = OpenSockets()
        self.settings[OpenStreams.SETTING] = OpenStreams()
        self.settings[Policy.SETTING] = Policy(
            contexts=tuple(self.contexts),
            proxy=self.proxy,
            cluster_control=self.cluster_control,
            proxy_allows=self.proxy_allows,
        )

    def initialize_handlers(self) -> None:
        """Add the routes; the server prepends its base URL."""
        self.handlers.extend(routes.ROUTES)

    async def stop_extension(self) -> None:
        """Close all streams and their threads."""
        self.settings[OpenSockets.SETTING].close()
        self.settings[OpenStreams.SETTING].close()
