from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import embedded_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StateDir]:
    """An embedded cluster that the kernels of the notebook find."""
    with embedded_cluster(tmp_path / "state") as state:
        yield state
