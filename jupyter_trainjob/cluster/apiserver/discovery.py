"""What clients ask before they ask for objects: the version, the groups, and the resources of each group.

All of it is a fixed function of the profile (`api.resources.ALL`).
"""

from __future__ import annotations

import platform
from typing import Final

from jupyter_trainjob.api.resources import ALL, PODS, Object, Resource

KUBERNETES_MINOR: Final = 34
"""The release whose rules the profile follows; clients compare it with their own."""
_VERBS: Final = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STATUS_VERBS: Final = ["get", "patch", "update"]
_CATEGORIES: Final = {"Pod", "Service", "Job"}


def documents(version: str) -> dict[str, Object]:
    """Return the discovery documents by path."""
    groups = sorted({(resource.group, resource.version) for resource in ALL})
    found: dict[str, Object] = {"/version": _version(version), "/api": _core_versions()}
    named = [(group, group_version) for group, group_version in groups if group]
    found["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*each) for each in named]}
    for group, group_version in named:
        found[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(group, group_version)}
        found[f"/apis/{group}/{group_version}"] = _resources(group, group_version)
    found["/api/v1"] = _resources("", "v1")
    return found


def _version(version: str) -> Object:
    return {
        "major": "1",
        "minor": str(KUBERNETES_MINOR),
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0+jupyter-trainjob-{version}",
        "gitTreeState": "clean",
        "compiler": "python",
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


def _core_versions() -> Object:
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def _group(group: str, version: str) -> Object:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _resources(group: str, version: str) -> Object:
    served = [resource for resource in ALL if (resource.group, resource.version) == (group, version)]
    found = [entry for resource in served for entry in _entries(resource)]
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found}


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _VERBS,
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.kind in _CATEGORIES:
        entry["categories"] = ["all"]
    parts = [entry]
    if resource.status:
        parts.append(_part(resource, "status", resource.kind, _STATUS_VERBS))
    if resource == PODS:
        parts.append(_part(resource, "binding", "Binding", ["create"]))
        parts.append(_part(resource, "log", resource.kind, ["get"]))
    return parts


def _part(resource: Resource, name: str, kind: str, verbs: list[str]) -> Object:
    base = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    return {**base, "kind": kind, "verbs": verbs}
