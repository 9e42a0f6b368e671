"""The resources and verbs that the proxy forwards, as a table.

`parse_request` maps an HTTP request to the verb and the resource that Kubernetes' RBAC checks
(https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb), and
`refusal_reason` looks them up. Requests that are not in the table are refused, and those that expose credentials are
refused even if they are in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jupyter_trainjob import errors

READ: Final = ("get", "list", "watch")
VERBS: Final = (*READ, "create", "update", "patch", "delete", "deletecollection")
DEFAULT: Final[Mapping[str, Sequence[str]]] = {
    "namespaces": READ,
    "nodes": READ,
    "pods": READ,
    "pods/log": ("get",),
    "events": READ,
    "events.events.k8s.io": READ,
    "jobs.batch": READ,
    "jobsets.jobset.x-k8s.io": READ,
    "podgroups.scheduling.x-k8s.io": READ,
    "trainjobs.trainer.kubeflow.org": (*READ, "patch", "delete"),
    "trainingruntimes.trainer.kubeflow.org": READ,
    "clustertrainingruntimes.trainer.kubeflow.org": READ,
}
"""Verbs by ``plural.group/subresource``. Jobs cannot be created here: a kernel sends them with its values."""
NEVER: Final = re.compile(r"secrets(/.*)?|.+/(exec|attach|portforward|proxy|token)|tokenre.*")
"""Resources that no setting allows: they expose credentials, or give access to containers and networks."""
DOCUMENTS: Final = ("/version", "/api", "/apis")
"""Discovery documents, which every client reads first and which contain no stored objects."""

_SEGMENT: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:-]+")
_OBJECT_VERBS: Final = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS: Final = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A request as RBAC describes it."""

    verb: str
    resource: str
    """``plural.group/subresource``; empty for a discovery document."""
    stream: bool = False
    """Whether the response is open-ended: a watch, or a followed log."""


def parse_request(method: str, path: str, query: Mapping[str, str]) -> ResourceRequest | None:
    """Return the verb and the resource of a request; None if it is not one of the Kubernetes API.

    >>> parse_request("GET", "/api/v1/namespaces/default/pods/p/log", {})
    ResourceRequest(verb='get', resource='pods/log', stream=False)
    """
    if path in DOCUMENTS:
        return ResourceRequest("get", "") if method == "GET" else None
    root, *parts = path.removeprefix("/").split("/")
    if root not in ("api", "apis") or not all(_SEGMENT.fullmatch(segment) for segment in parts):
        return None
    group = parts.pop(0) if root == "apis" and parts else ""
    if len(parts) < 2:
        return ResourceRequest("get", "") if method == "GET" else None
    _, *parts = parts
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    plural, *rest = parts
    if len(rest) > 2:
        return None
    name, subresource = [*rest, "", ""][:2]
    verb = (_OBJECT_VERBS if name else _COLLECTION_VERBS).get(method)
    if name and subresource and method == "POST":
        verb = "create"
    if verb is None:
        return None
    watches = verb == "list" and is_set(query, "watch")
    follows = subresource == "log" and is_set(query, "follow")
    resource = (f"{plural}.{group}" if group else plural) + (f"/{subresource}" if subresource else "")
    return ResourceRequest("watch" if watches else verb, resource, stream=watches or follows)


def is_set(query: Mapping[str, str], name: str) -> bool:
    """Return whether a boolean query parameter is set, with the API server's rules.

    Ported from ``Convert_Slice_string_To_bool`` of k8s.io/apimachinery: any value but ``false`` and ``0`` is true.
    """
    return name in query and query[name].lower() not in ("false", "0")


def refusal_reason(request: ResourceRequest | None, table: Mapping[str, Sequence[str]]) -> str:
    """Return why a request is not forwarded; empty if it is."""
    if request is None:
        return "This is not a request of the Kubernetes API that the proxy forwards."
    if not request.resource:
        return ""
    if NEVER.fullmatch(request.resource):
        return f"This Jupyter server's proxy never forwards {request.resource}: use kubectl, with your own credentials."
    if request.verb in table.get(request.resource, ()):
        return ""
    allowed = ", ".join(table.get(request.resource, ())) or "nothing"
    return (
        f"This Jupyter server's proxy does not {request.verb} {request.resource}; for {request.resource} it allows "
        f"{allowed}. Use kubectl, or add the verb to c.TrainJobApp.proxy_allows."
    )


def check_table(table: Mapping[str, Sequence[str]]) -> None:
    """Raise `errors.UsageError` for a table with unknown verbs, or with resources that no setting allows."""
    for resource, verbs in table.items():
        if NEVER.fullmatch(resource):
            raise errors.UsageError(f"c.TrainJobApp.proxy_allows names {resource}, which no setting allows. Remove it.")
        if isinstance(verbs, str) or (wrong := sorted(set(verbs) - set(VERBS))):
            listed = repr(verbs) if isinstance(verbs, str) else ", ".join(wrong)
            raise errors.UsageError(
                f"c.TrainJobApp.proxy_allows has {listed} for {resource}, which are not verbs: write a list of "
                f"{', '.join(VERBS)}."
            )
