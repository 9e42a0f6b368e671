"""What the proxy lets through: groups, resources and verbs, as a table. Pure.

In: a method, a path and a query of the Kubernetes API. Out: what they ask for, in the words of RBAC, and whether the
table has it. What is in no table, such as ``pods/exec``, is refused without being known here; what gives credentials
away is refused whatever the table says.
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
"""Verbs by ``plural.group/subresource``. Jobs are sent by kernels, which is where the values are that travel."""
NEVER: Final = re.compile(r"secrets(/.*)?|.+/(exec|attach|portforward|proxy|token)|tokenre.*")
"""No setting lets these through: they hand out credentials, or do what only a terminal should."""
DOCUMENTS: Final = ("/version", "/api", "/apis")
"""What every client asks first, and what tells nothing of what is stored."""

_PART: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:-]+")
_ONE: Final = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ALL: Final = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, as RBAC calls it."""

    verb: str
    resource: str
    """``plural.group/subresource``; empty for a document."""
    stream: bool = False
    """Whether its answer goes on and on."""


def asked(method: str, path: str, query: Mapping[str, str]) -> Asked | None:
    """Return what a request asks for; None for what is no request of the Kubernetes API."""
    if path in DOCUMENTS:
        return Asked("get", "") if method == "GET" else None
    root, *parts = path.removeprefix("/").split("/")
    if root not in ("api", "apis") or not all(_PART.fullmatch(part) for part in parts):
        return None
    group = parts.pop(0) if root == "apis" and parts else ""
    if len(parts) < 2:
        return Asked("get", "") if method == "GET" else None
    _, *parts = parts
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    plural, *rest = parts
    if len(rest) > 2:
        return None
    name, subresource = [*rest, "", ""][:2]
    verb = (_ONE if name else _ALL).get(method)
    if name and subresource and method == "POST":
        verb = "create"
    if verb is None:
        return None
    watches = verb == "list" and is_set(query, "watch")
    follows = subresource == "log" and is_set(query, "follow")
    resource = (f"{plural}.{group}" if group else plural) + (f"/{subresource}" if subresource else "")
    return Asked("watch" if watches else verb, resource, stream=watches or follows)


def is_set(query: Mapping[str, str], name: str) -> bool:
    """Whether a flag is set, as an API server reads it."""
    return name in query and query[name].lower() not in ("false", "0")


def refusal(found: Asked | None, table: Mapping[str, Sequence[str]]) -> str:
    """Return why a request is not let through, in words; empty if it is."""
    if found is None:
        return "This is no request of the Kubernetes API that goes through here."
    if not found.resource:
        return ""
    if NEVER.fullmatch(found.resource):
        return f"{found.resource} never goes through this Jupyter server: use kubectl, with credentials of your own."
    if found.verb in table.get(found.resource, ()):
        return ""
    there = ", ".join(table.get(found.resource, ())) or "nothing"
    return (
        f"To {found.verb} {found.resource} does not go through this Jupyter server; of {found.resource} it allows "
        f"{there}. Use kubectl, or add it to c.TrainJobApp.proxy_allows."
    )


def check(table: Mapping[str, Sequence[str]]) -> None:
    """Raise `errors.UsageError` for a table that makes no sense, or that would give credentials away."""
    for resource, verbs in table.items():
        if NEVER.fullmatch(resource):
            raise errors.UsageError(f"c.TrainJobApp.proxy_allows names {resource}, which no setting allows. Remove it.")
        if isinstance(verbs, str) or (wrong := sorted(set(verbs) - set(VERBS))):
            told = repr(verbs) if isinstance(verbs, str) else ", ".join(wrong)
            raise errors.UsageError(
                f"c.TrainJobApp.proxy_allows has {told} for {resource}, which are no verbs: write a list of "
                f"{', '.join(VERBS)}."
            )
