"""Contexts of kubeconfigs: which are found, what they give, and what is said where they do not fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.kube import config
from jupyter_trainjob.kube.http import HttpTransport


def _kubeconfig(path: Path, *names: str, current: str | None = None, server: str = "https://api.example:6443") -> Path:
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"{server}/{name}"}} for name in names],
        "users": [{"name": name, "user": {"token": f"token-{name}"}} for name in names],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}} for name in names
        ],
    }
    if current:
        content["current-context"] = current
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_context_chooses_server_and_namespace(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "a", "b", current="a")
    assert config.contexts(kubeconfig) == ["a", "b"]
    assert config.transport(kubeconfig=kubeconfig, context="b").server == "https://api.example:6443/b"
    assert config.namespace_of("b", kubeconfig) == "ns-b"


def test_without_a_name_the_current_context_counts(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "a", "b", current="b")
    assert config.transport(kubeconfig=kubeconfig).server == "https://api.example:6443/b"
    assert config.namespace_of(kubeconfig=kubeconfig) == "ns-b"


def test_a_kubeconfig_needs_no_current_context_if_one_is_named(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "a", "b")
    assert config.transport(kubeconfig=kubeconfig, context="a").server == "https://api.example:6443/a"
    with pytest.raises(errors.UsageError, match=r"no current context\. Choose one of: a, b\."):
        config.transport(kubeconfig=kubeconfig)


def test_an_unknown_context_names_those_that_there_are(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "b", "a", current="a")
    for call in (
        lambda: config.transport(kubeconfig=kubeconfig, context="c"),
        lambda: config.namespace_of("c", kubeconfig),
    ):
        with pytest.raises(errors.UsageError, match=r"There is no context 'c' in .*config\. Choose one of: a, b\."):
            call()


def test_several_files_of_kubeconfig_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _kubeconfig(tmp_path / "first", "a", current="a")
    second = _kubeconfig(tmp_path / "second", "b", current="b")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert config.contexts() == ["a", "b"]
    assert config.namespace_of("b") == "ns-b"


def test_without_a_kubeconfig_the_error_says_where_it_looked(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert config.contexts(absent) == []
    with pytest.raises(errors.UsageError, match=r"absent does not exist or has no contexts\. Set KUBECONFIG"):
        config.transport(kubeconfig=absent)


@pytest.mark.parametrize("content", ["", "just a string", "{", "contexts: [{name: a, context: {cluster: nowhere}}]"])
def test_a_broken_kubeconfig_is_a_usage_error(tmp_path: Path, content: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(content)
    with pytest.raises(errors.UsageError, match="broken"):
        config.transport(kubeconfig=broken, context="a")


@pytest.mark.parametrize(
    ("server", "through_proxy"),
    [("http://127.0.0.1:7", False), ("http://localhost:7", False), ("http://10.1.2.3:7", True)],
)
def test_the_proxy_of_the_environment_is_not_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, *, through_proxy: bool
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    transport = config.transport(kubeconfig=_kubeconfig(tmp_path / "config", "a", server=server), context="a")
    assert isinstance(transport, HttpTransport)
    proxied = transport._configuration.proxy is not None
    assert proxied is through_proxy or not proxied  # packages before 34 know no proxy of the environment


def test_importing_the_door_does_not_import_the_official_package() -> None:
    program = "import sys, jupyter_trainjob.kube.config; sys.exit('kubernetes' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
