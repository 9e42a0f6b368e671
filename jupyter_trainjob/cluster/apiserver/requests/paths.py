"""Parse a URL path into a resource, an object and a subresource.

Called by `request_handler`. Other paths (discovery, health, OpenAPI) give None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jupyter_trainjob.api.resources import ALL, NAMESPACES, Resource

_NAMESPACE_SUBRESOURCES: Final = ("status", "finalize")
_RESOURCES: Final = {(resource.group, resource.version, resource.plural): resource for resource in ALL}


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a request: without a name a collection; without a namespace one of all namespaces."""

    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return the key of the named object in the store."""
        return self.namespace or "", self.name or ""


def parse_path(path: str) -> Target | None:
    """Return the target of `path`, None if it is not a path of a served resource."""
    root, *parts = path.strip("/").split("/")
    if root not in {"api", "apis"} or not all(parts):
        return None
    group = parts.pop(0) if root == "apis" and parts else ""
    if len(parts) < 2:
        return None
    version, *parts = parts
    if parts[0] == "namespaces" and not group and len(parts) == 3 and parts[2] in _NAMESPACE_SUBRESOURCES:
        return Target(NAMESPACES, None, *parts[1:])
    namespace = None
    if parts[0] == "namespaces" and len(parts) > 2:
        _, namespace, *parts = parts
    plural, *rest = parts
    resource = _RESOURCES.get((group, version, plural))
    if resource is None or len(rest) > 2:
        return None
    if (namespace is not None) != resource.namespaced and (rest or namespace is not None):
        return None
    return Target(resource, namespace, *rest)
