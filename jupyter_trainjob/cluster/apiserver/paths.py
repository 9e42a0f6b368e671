"""What a URL path names: a resource of the profile, an object of it, a part of that object.

Comes in from `core`; whatever is no resource path (discovery, health, OpenAPI) gives None and is looked up elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jupyter_trainjob.api.resources import ALL, NAMESPACES, Resource

_OF_NAMESPACE: Final = ("status", "finalize")
_RESOURCES: Final = {(resource.group, resource.version, resource.plural): resource for resource in ALL}


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about. Without a name: the collection; without a namespace: that of all namespaces."""

    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return the key of the named object in the store."""
        return self.namespace or "", self.name or ""


def parse(path: str) -> Target | None:
    """Return what `path` names, None if it is no path of a resource that is served."""
    root, *parts = path.strip("/").split("/")
    if root not in {"api", "apis"} or not all(parts):
        return None
    group = parts.pop(0) if root == "apis" and parts else ""
    if len(parts) < 2:
        return None
    version, *parts = parts
    if parts[0] == "namespaces" and not group and len(parts) == 3 and parts[2] in _OF_NAMESPACE:
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
