"""Check that a namespace exists. Called only when nothing was found in it, so that the usual case costs no request."""

from __future__ import annotations

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import NAMESPACES
from jupyter_trainjob.client.context import Connection


def check_namespace_exists(connection: Connection, namespace: str) -> None:
    """Raise `errors.UsageError` if the namespace does not exist. Do nothing where reading it is forbidden."""
    client = connection.client
    try:
        client.get(NAMESPACES, namespace)
    except errors.NotFound:
        try:
            known = sorted(namespace["metadata"]["name"] for namespace in client.list(NAMESPACES).items)
        except errors.ApiError:
            known = []
        raise errors.UsageError(
            f"There is no namespace {namespace!r} on {connection.location}.{errors.did_you_mean(namespace, known)}"
            f"{errors.listed(namespace, known)} Choose another with --namespace or use(), or create it with "
            "`kubectl create namespace`."
        ) from None
    except errors.ApiError:
        return
