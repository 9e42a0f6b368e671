"""Plugins of other distributions: found by their entry points, and reported if they cannot be loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_trainjob.controller.framework.pipeline_errors import BuildError
from jupyter_trainjob.controller.plugins.registry import build_objects, installed_plugins

from .test_build import container, env, runtime, train_job

EXAMPLE = Path(__file__).parent / "example_plugin"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Return a function that installs a project by its pyproject.toml into a folder on the path."""

    def install_project(project: Path) -> None:
        build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
        wheel = subprocess.run(
            [sys.executable, "-c", build, tmp_path], cwd=project, capture_output=True, text=True, check=True
        ).stdout.split()[-1]
        monkeypatch.syspath_prepend(str(tmp_path / wheel))
        installed_plugins.cache_clear()

    yield install_project
    installed_plugins.cache_clear()


def test_plugin_of_another_distribution_serves_runtimes_with_its_label(install: Callable[[Path], None]) -> None:
    install(EXAMPLE)
    under = runtime({"numNodes": 1})
    under["metadata"]["labels"] = {"trainer.kubeflow.org/framework": "env"}
    built = build_objects(train_job({"numNodes": 3}), under)[-1]
    assert (env(built)["WORLD_SIZE"], env(built)["MASTER_ADDR"]) == ("3", "j-node-0-0.j")
    assert container(built)["ports"] == [{"containerPort": 29500}]
    assert "WORLD_SIZE" not in env(build_objects(train_job({"numNodes": 3}), runtime({}))[-1])
    assert [plugin.name for plugin in installed_plugins()][-2:] == ["EnvironmentRendezvous", "JobSet"]


def test_plugin_that_cannot_be_loaded_is_named(install: Callable[[Path], None], tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text((EXAMPLE / "pyproject.toml").read_text())
    (project / "environment_rendezvous.py").write_text("import a_module_that_is_missing\n")
    sys.modules.pop("environment_rendezvous", None)
    install(project)
    with pytest.raises(BuildError, match=r"'environment-rendezvous'.*a_module_that_is_missing.*uninstall the package"):
        build_objects(train_job({}), runtime({}))
