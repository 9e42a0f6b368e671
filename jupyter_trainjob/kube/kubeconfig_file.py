"""Read contexts, namespaces and credentials from kubeconfig files, as kubectl does.

``KUBECONFIG`` may contain several files; it is read at each call, since notebooks can change it. In a pod without a
kubeconfig, as of a notebook server on a cluster, the pod's service account is used.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from jupyter_trainjob import errors
from jupyter_trainjob.constants import DEFAULT_NAMESPACE
from jupyter_trainjob.kube.http_transport import HttpTransport, TokenConfiguration
from jupyter_trainjob.kube.kubeconfig_validation import KINDS, check_context, entry_content, load_kubeconfig

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_IN_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def load_transport(*, kubeconfig: Path | None = None, context: str | None = None) -> HttpTransport:
    """Return a transport to the server of `context` (None: the current one).

    Raises `errors.UsageError` with the existing contexts if it is not one of them.
    """
    chosen, content = "", {}
    if not _in_pod(kubeconfig, context):
        content = _read_merged(kubeconfig)
        chosen = _find_context(kubeconfig, content, context)["name"]
        check_context(_location(kubeconfig), content, chosen)
    configuration = _load_configuration(kubeconfig, chosen)
    if not configuration.api_key and not configuration.cert_file and (helper := _credential_helper(content, chosen)):
        # The package only logs this and continues unauthenticated, which the server rejects with a useless message.
        raise errors.ClusterError(
            f"No credentials for the context {chosen!r}: {helper}, the exec plugin in its kubeconfig, returned none. "
            "Log in as for kubectl; `kubectl get namespaces` with the same context shows what is wrong."
        )
    if _is_loopback(configuration.host) and configuration.proxy in getproxies().values():
        # As in Go's net/http, which kubectl uses: no proxy for loopback addresses.
        configuration.proxy = None
    return HttpTransport(configuration)


def embedded_transport(kubeconfig: Path) -> HttpTransport:
    """Return a transport to the embedded cluster from the kubeconfig of its daemon, without ``kubernetes``."""
    text = kubeconfig.read_bytes()
    try:
        content = json.loads(text)
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        access = TokenConfiguration(cluster["server"], token=user["token"], ca=ca)
    except (LookupError, TypeError, ValueError) as error:
        raise errors.ClusterError(
            f"The kubeconfig of the embedded cluster, {kubeconfig}, is damaged. `jupyter trainjob cluster stop`, then "
            "`jupyter trainjob cluster start` writes it again; running jobs continue."
        ) from error
    return HttpTransport(access)


def context_names(kubeconfig: Path | None = None) -> list[str]:
    """Return the names of the contexts; empty if there is no kubeconfig."""
    return [entry["name"] for entry in _read_merged(kubeconfig)["contexts"]]


def context_namespaces(kubeconfig: Path | None = None) -> dict[str, str]:
    """Return the namespace of each context."""
    entries = _read_merged(kubeconfig)["contexts"]
    return {entry["name"]: str((entry.get("context") or {}).get("namespace") or DEFAULT_NAMESPACE) for entry in entries}


def context_namespace(context: str | None = None, kubeconfig: Path | None = None) -> str:
    """Return the namespace of `context` (None: the current one)."""
    if _in_pod(kubeconfig, context):
        return _IN_POD_NAMESPACE.read_text().strip()
    return str(
        (_find_context(kubeconfig, _read_merged(kubeconfig), context).get("context") or {}).get("namespace")
        or DEFAULT_NAMESPACE
    )


def _find_context(kubeconfig: Path | None, content: Mapping[str, Any], context: str | None) -> dict[str, Any]:
    name = context or content.get("current-context")
    contexts = {entry["name"]: entry for entry in content["contexts"]}
    if name in contexts:
        return dict(contexts[name])
    location = _location(kubeconfig)
    if not contexts and name:
        message = (
            f"There is no context {name!r}: {location} does not exist or has no contexts. Set KUBECONFIG to a "
            "kubeconfig that has it."
        )
    elif not contexts:
        message = (
            f"No cluster is configured: {location} does not exist or has no contexts. Set KUBECONFIG to a kubeconfig."
        )
    elif name:
        suggestion = errors.did_you_mean(name, contexts)
        message = f"There is no context {name!r} in {location}.{suggestion}{errors.listed(name, sorted(contexts))}"
    else:
        message = f"{location} has no current context. Choose one of: {', '.join(sorted(contexts))}."
    raise errors.UsageError(message)


def _load_configuration(kubeconfig: Path | None, context: str) -> Configuration:
    """Return the address and credentials of `context`, or of this pod's service account if it is empty.

    ``kubernetes`` is imported here, after the context was found: that takes as long as the rest of a command.
    """
    import kubernetes.config
    from kubernetes.client import Configuration

    loader: Any = kubernetes.config
    configuration = Configuration()
    try:
        if context:
            loader.load_kube_config(_location(kubeconfig), context=context, client_configuration=configuration)
        else:
            loader.load_incluster_config(client_configuration=configuration)
    except (loader.ConfigException, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise errors.UsageError(_unusable_message(kubeconfig, context, error)) from error
    return configuration


def _credential_helper(content: Mapping[str, Any], context: str) -> str:
    """Return the exec credential plugin of a context; empty if it has none."""
    user = (entry_content(content, "users", (entry_content(content, "contexts", context) or {}).get("user")) or {}).get(
        "exec"
    ) or {}
    return str(user.get("command") or "")


def _read_merged(kubeconfig: Path | None) -> dict[str, Any]:
    """Return the merged content of all files: of several entries with one name the first is used, as in kubectl."""
    merged: dict[str, Any] = {kind: [] for kind in KINDS}
    for part in filter(None, _location(kubeconfig).split(os.pathsep)):
        content = load_kubeconfig(Path(part).expanduser())
        for kind in KINDS:
            names = {entry["name"] for entry in merged[kind]}
            merged[kind] += [entry for entry in content.get(kind) or () if entry["name"] not in names]
        merged["current-context"] = merged.get("current-context") or content.get("current-context")
    return merged


def _unusable_message(kubeconfig: Path | None, context: str, error: Exception) -> str:
    subject = f"the context {context!r}" if context else "its content"
    detail = f": {error.filename} cannot be read ({error.strerror})" if isinstance(error, OSError) else f" ({error})"
    return (
        f"The kubeconfig {_location(kubeconfig)} cannot be used: {subject} does not define a server and "
        f"credentials{detail}. `kubectl config view` shows its content, `kubectl get namespaces` with the same context "
        "tests it."
    )


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
