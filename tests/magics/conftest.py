from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import embedded_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateDir]:
    """One embedded cluster for all tests of a worker process."""
    with embedded_cluster(tmp_path_factory.mktemp("cluster") / "state") as state:
        yield state


class Shell:
    """A real IPython with the extension loaded."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self.names: dict[str, Any] = shell.user_ns

    def run(self, source: str) -> Any:
        """Run a cell as a user does; raise what it raised."""
        result = self._shell.run_cell(source, store_history=True, silent=False)
        result.raise_error()
        return result.result


@pytest.fixture
def shell() -> Iterator[Shell]:
    """An IPython of its own, without a front end."""
    ipython = InteractiveShell.instance()
    ipython.reset(new_session=True)
    ipython.run_line_magic("load_ext", "jupyter_trainjob")
    yield Shell(ipython)
    InteractiveShell.clear_instance()
