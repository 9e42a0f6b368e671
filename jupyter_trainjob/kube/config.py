"""Which API server and who we are, from a kubeconfig, as kubectl reads it.

A kubeconfig and the name of a context go in, an `HttpTransport` comes out. ``KUBECONFIG`` may name several files; it
is read at each call, since notebooks set it while they run. Inside a pod without a kubeconfig the pod's own service
account is used, as by a notebook server that runs on a cluster.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from jupyter_trainjob import errors
from jupyter_trainjob.constants import DEFAULT_NAMESPACE
from jupyter_trainjob.kube.http import HttpTransport

_IN_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def transport(*, kubeconfig: Path | None = None, context: str | None = None) -> HttpTransport:
    """Return a transport to the server of `context` (None: the current one).

    Raises `errors.UsageError`, naming the contexts that there are, if it is not one of them.
    """
    import kubernetes.config
    from kubernetes.client import Configuration

    loader: Any = kubernetes.config
    configuration = Configuration()
    chosen = ""
    try:
        if _in_pod(kubeconfig, context):
            loader.load_incluster_config(client_configuration=configuration)
        else:
            chosen = _context(kubeconfig, context)["name"]
            loader.load_kube_config(_location(kubeconfig), context=chosen, client_configuration=configuration)
    except loader.ConfigException as error:
        raise errors.UsageError(_unusable(kubeconfig, error)) from error
    if not configuration.api_key and not configuration.cert_file and (helper := _helper(kubeconfig, context)):
        # The package logs it and goes on as nobody, whom the server refuses in words that lead nowhere.
        raise errors.ClusterError(
            f"No credentials for the context {chosen!r}: {helper}, which its kubeconfig runs to get them, gave none. "
            "Log in as for kubectl; `kubectl get namespaces` with the same context shows what is wrong."
        )
    if _is_loopback(configuration.host) and configuration.proxy in getproxies().values():
        # As Go's net/http, which kubectl uses: the environment's proxy is not for this machine itself.
        configuration.proxy = None
    return HttpTransport(configuration)


def contexts(kubeconfig: Path | None = None) -> list[str]:
    """Return the names of the contexts; none if there is no kubeconfig."""
    return [each["name"] for each in _read(kubeconfig).get("contexts", ())]


def namespaces(kubeconfig: Path | None = None) -> dict[str, str]:
    """Return the namespace that each context works in, from one look."""
    found = _read(kubeconfig).get("contexts", ())
    return {each["name"]: str((each.get("context") or {}).get("namespace") or DEFAULT_NAMESPACE) for each in found}


def namespace_of(context: str | None = None, kubeconfig: Path | None = None) -> str:
    """Return the namespace that `context` (None: the current one) works in."""
    if _in_pod(kubeconfig, context):
        return _IN_POD_NAMESPACE.read_text().strip()
    return str(_context(kubeconfig, context)["context"].get("namespace") or DEFAULT_NAMESPACE)


def _context(kubeconfig: Path | None, context: str | None) -> dict[str, Any]:
    content = _read(kubeconfig)
    name = context or content.get("current-context")
    known = {each["name"]: each for each in content.get("contexts", ())}
    if name in known:
        return dict(known[name])
    where = _location(kubeconfig)
    if not known:
        message = f"No cluster to talk to: {where} does not exist or has no contexts. Set KUBECONFIG to a kubeconfig."
    elif name:
        message = f"There is no context {name!r} in {where}. Choose one of: {', '.join(sorted(known))}."
    else:
        message = f"{where} has no current context. Choose one of: {', '.join(sorted(known))}."
    raise errors.UsageError(message)


def _helper(kubeconfig: Path | None, context: str | None) -> str:
    """Return the program that gets the credentials of a context; empty if it needs none."""
    if _in_pod(kubeconfig, context):
        return ""
    user = (_context(kubeconfig, context).get("context") or {}).get("user")
    for each in _read(kubeconfig).get("users", ()):
        if each["name"] == user:
            return str(((each.get("user") or {}).get("exec") or {}).get("command") or "")
    return ""


def _read(kubeconfig: Path | None) -> dict[str, Any]:
    """Return the merged content of all files of the location."""
    import kubernetes.config.kube_config
    from yaml import YAMLError

    loader: Any = kubernetes.config.kube_config
    try:
        merged = loader.KubeConfigMerger(_location(kubeconfig)).config
    except (loader.ConfigException, YAMLError, OSError, AttributeError, TypeError) as error:
        raise errors.UsageError(_unusable(kubeconfig, error)) from error
    if merged is None:
        return {}
    # The package wraps each entry together with the file that it came from.
    lists = {
        kind: [getattr(each, "value", each) for each in merged.value.get(kind) or ()] for kind in ("contexts", "users")
    }
    return {**merged.value, **lists}


def _unusable(kubeconfig: Path | None, error: Exception) -> str:
    return f"The kubeconfig {_location(kubeconfig)} cannot be used: {error}. `kubectl config view` shows its content."


def _location(kubeconfig: Path | None) -> str:
    return str(kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")


def _in_pod(kubeconfig: Path | None, context: str | None) -> bool:
    chosen = kubeconfig or context or os.environ.get("KUBECONFIG")
    return not chosen and not Path(_location(None)).expanduser().exists() and _IN_POD_NAMESPACE.exists()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
