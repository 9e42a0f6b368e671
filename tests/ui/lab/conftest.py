from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.embedded import embedded_cluster
from tests.ui import tools
from tests.ui.lab.server import Server, jupyter_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server, and one embedded cluster for its kernels, for all tests of a worker process."""
    tools.chromium()
    tools.node()
    folder = tmp_path_factory.mktemp("jupyter")
    with embedded_cluster(folder / "state"), jupyter_server(folder / "server") as running:
        yield running
