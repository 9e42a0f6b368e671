"""Every URL of the extension and what answers it."""

from __future__ import annotations

from typing import Any

from jupyter_trainjob.server.stream import StreamHandler

ROUTES: list[tuple[str, type[Any]]] = [
    (r"/jupyter-trainjob/stream", StreamHandler),
]
