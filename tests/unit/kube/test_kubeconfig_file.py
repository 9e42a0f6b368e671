"""Contexts of kubeconfig files: lookup, merging, and errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_trainjob import errors
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.http_transport import HttpTransport, TokenConfiguration
from tests.paths import ROOT


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


def test_context_selects_server_and_namespace(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "a", "b", current="a")
    assert kubeconfig_file.context_names(kubeconfig) == ["a", "b"]
    assert kubeconfig_file.load_transport(kubeconfig=kubeconfig, context="b").server == "https://api.example:6443/b"
    assert kubeconfig_file.context_namespace("b", kubeconfig) == "ns-b"


def test_current_context_is_the_default(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "a", "b", current="b")
    assert kubeconfig_file.load_transport(kubeconfig=kubeconfig).server == "https://api.example:6443/b"
    assert kubeconfig_file.context_namespace(kubeconfig=kubeconfig) == "ns-b"


def test_named_context_needs_no_current_context(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "a", "b")
    assert kubeconfig_file.load_transport(kubeconfig=kubeconfig, context="a").server == "https://api.example:6443/a"
    with pytest.raises(errors.UsageError, match=r"no current context\. Choose one of: a, b\."):
        kubeconfig_file.load_transport(kubeconfig=kubeconfig)


def test_error_about_an_unknown_context_lists_contexts(tmp_path: Path) -> None:
    kubeconfig = _kubeconfig(tmp_path / "config", "b", "a", current="a")
    for call in (
        lambda: kubeconfig_file.load_transport(kubeconfig=kubeconfig, context="c"),
        lambda: kubeconfig_file.context_namespace("c", kubeconfig),
    ):
        with pytest.raises(errors.UsageError, match=r"There is no context 'c' in .*config\. Available: a, b\."):
            call()


def test_files_in_kubeconfig_variable_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _kubeconfig(tmp_path / "first", "a", current="a")
    second = _kubeconfig(tmp_path / "second", "b", current="b")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert kubeconfig_file.context_names() == ["a", "b"]
    assert kubeconfig_file.context_namespace("b") == "ns-b"


def test_error_about_a_missing_kubeconfig_names_its_paths(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert kubeconfig_file.context_names(absent) == []
    with pytest.raises(errors.UsageError, match=r"absent does not exist or has no contexts\. Set KUBECONFIG"):
        kubeconfig_file.load_transport(kubeconfig=absent)


def test_unknown_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match=r"There is no context 'foo': .*absent does not exist or has no cont"):
        kubeconfig_file.load_transport(kubeconfig=tmp_path / "absent", context="foo")


WHOLE = """
clusters: [{name: c, cluster: {server: "https://api.example:6443"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: a, context: {cluster: c, user: u}}]
"""
DAMAGES = {
    "nothing": ("", "it is empty"),
    "a text": ("just a string", "it is a string, not a mapping with clusters, contexts and users"),
    "a list": ("[1]", "it is a list, not a mapping"),
    "a brace that is not closed": ("a: 1\nb: {", "line 2, column 5 is not valid YAML"),
    "a tab": ("a:\n\tb: 1", "line 2, column 1 is not valid YAML .*; indent with spaces, not tabs"),
    "a character that YAML does not know": ("a: \x01", "characters that YAML does not allow"),
    "a date that cannot be": ("a: 2024-99-99", "an invalid value"),
    "clusters that are a number": ("clusters: 3", "clusters is 3, not a list"),
    "an entry that is a text": ("contexts: [a]", r"contexts\[0\] is a string, not a mapping with name and context"),
    "an entry without a name": (WHOLE.replace("name: u, ", ""), r"users\[0\]\.name is empty, not a string"),
    "a name that is a number": (WHOLE.replace("name: a", "name: 1"), r"contexts\[0\]\.name is 1, not a string"),
    "a user that is a list": (WHOLE.replace("{token: t}", "[]"), r"users\[0\]\.user \(of 'u'\) is a list, not a"),
    "a current context that is a list": (f"{WHOLE}current-context: [a]", "current-context is a list, not a string"),
    "a context without a cluster": ("contexts: [{name: a}]", "the context 'a' names no cluster"),
    "a missing cluster": (
        WHOLE.replace("cluster: c", "cluster: d"),
        "cluster 'd', which does not exist. Available: c",
    ),
    "a missing user": (WHOLE.replace("user: u", "user: v"), "names the user 'v', which does not exist"),
    "a cluster without a server": (WHOLE.replace("server", "servr"), "the cluster 'c' has no server"),
    "a server that is no address": (
        WHOLE.replace("https://", ""),
        "has the server 'api.example:6443', which is not an address",
    ),
    "a certificate that was cut": (
        WHOLE.replace("{server", "{certificate-authority-data: LS0tx, server"),
        "the cluster 'c' has a certificate-authority-data that is not base64",
    ),
    "a missing certificate": (
        WHOLE.replace("{server", "{certificate-authority: /nowhere/ca.crt, server"),
        "context 'a' does not define a server .* /nowhere/ca.crt",
    ),
    "a token that is a number": (
        WHOLE.replace("token: t", "token: 3"),
        "a token that is 3, not a string: put it in quo",
    ),
    "a helper that is a text": (WHOLE.replace("token: t", "exec: x"), "a field exec that is a string, not a mapping"),
    "a helper whose program is a number": (WHOLE.replace("token: t", "exec: {command: 3}"), "exec.command that is 3"),
}


@pytest.mark.parametrize(("content", "message"), DAMAGES.values(), ids=DAMAGES)
def test_error_about_an_invalid_kubeconfig_names_file_and_field(tmp_path: Path, content: str, message: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(content)
    with pytest.raises(errors.UsageError, match=f"broken cannot be used: .*{message}.*`kubectl config view`"):
        kubeconfig_file.load_transport(kubeconfig=broken, context="a")


def test_damaged_file_among_several_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.write_text(WHOLE)
    broken.write_text("contexts: {}")
    monkeypatch.setenv("KUBECONFIG", f"{whole}:{broken}")
    with pytest.raises(errors.UsageError, match=rf"The kubeconfig {broken} cannot be used: contexts is a mapping"):
        kubeconfig_file.context_names()


def test_binary_file_and_folder_are_invalid_kubeconfigs(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.UsageError, match=r"bytes cannot be used: it is not UTF-8 text \(byte 0\)"):
        kubeconfig_file.context_names(tmp_path / "bytes")
    with pytest.raises(errors.UsageError, match=r"cannot be used: it cannot be read \(Is a directory\)"):
        kubeconfig_file.context_names(tmp_path)


@pytest.mark.parametrize("user", ["", ", user: u", ', user: ""'])
def test_context_needs_no_user(tmp_path: Path, user: str) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(WHOLE.replace(", user: u", user))
    assert kubeconfig_file.load_transport(kubeconfig=kubeconfig, context="a").server == "https://api.example:6443"


def test_first_file_has_precedence_for_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _kubeconfig(tmp_path / "first", "a", current="a", server="https://first.example")
    second = _kubeconfig(tmp_path / "second", "a", "b", current="b")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert kubeconfig_file.context_names() == ["a", "b"]
    assert kubeconfig_file.load_transport().server == "https://first.example/a"


@pytest.mark.parametrize("content", ["{", "{}", '{"clusters": [], "users": []}', '{"clusters": [{}], "users": [{}]}'])
def test_error_about_a_damaged_embedded_kubeconfig_has_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / "kubeconfig").write_text(content)
    with pytest.raises(errors.ClusterError, match=r"kubeconfig, is damaged\. `jupyter trainjob cluster stop`"):
        kubeconfig_file.embedded_transport(tmp_path / "kubeconfig")


@pytest.mark.parametrize(
    ("server", "through_proxy"),
    [("http://127.0.0.1:7", False), ("http://localhost:7", False), ("http://10.1.2.3:7", True)],
)
def test_loopback_addresses_bypass_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, *, through_proxy: bool
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    transport = kubeconfig_file.load_transport(
        kubeconfig=_kubeconfig(tmp_path / "config", "a", server=server), context="a"
    )
    assert isinstance(transport, HttpTransport)
    assert not isinstance(transport._configuration, TokenConfiguration)
    proxied = transport._configuration.proxy is not None
    assert proxied is through_proxy or not proxied  # packages before 34 know no proxy of the environment


def test_import_of_the_client_does_not_import_the_official_package() -> None:
    program = "import sys, jupyter_trainjob.kube.kubeconfig_file; sys.exit('kubernetes' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
