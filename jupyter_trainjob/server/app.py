"""The extension as the Jupyter server knows it: its name, its settings, its routes, its end."""

from __future__ import annotations

from jupyter_server.extension.application import ExtensionApp

from jupyter_trainjob.server import routes
from jupyter_trainjob.server.stream import Streams


class TrainJobApp(ExtensionApp):
    """Serves the sidebar. Settings go under ``c.TrainJobApp``."""

    name = "jupyter_trainjob"

    def initialize_settings(self) -> None:
        """Make what the handlers share."""
        self.settings[Streams.SETTING] = Streams()

    def initialize_handlers(self) -> None:
        """Add the routes; the server puts its base URL before them."""
        self.handlers.extend(routes.ROUTES)

    async def stop_extension(self) -> None:
        """End every stream with its threads."""
        self.settings[Streams.SETTING].close()
