"""Discovery documents: the version, the groups, and the resources of each group.

They depend only on the served kinds (`api.resources.ALL`).
"""

from __future__ import annotations

import platform
from typing import Final

from jupyter_trainjob.api.resources import ALL, PODS, KubeObject, Resource

KUBERNETES_MINOR: Final = 37
"""The Kubernetes release whose rules are followed; clients compare it with their own version."""
_VERBS: Final = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STATUS_VERBS: Final = ["get", "patch", "update"]
_CATEGORIES: Final = {"Pod", "Service", "Job"}


def discovery_documents(version: str) -> dict[str, KubeObject]:
    """Return the discovery documents by path."""
    groups = sorted({(resource.group, resource.version) for resource in ALL})
    result: dict[str, KubeObject] = {"/version": _version(version), "/api": _core_versions()}
    named = [(group, group_version) for group, group_version in groups if group]
    result["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*entry) for entry in named]}
    for group, group_version in named:
        result[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **_group(group, group_version)}
        result[f"/apis/{group}/{group_version}"] = _resources(group, group_version)
    result["/api/v1"] = _resources("", "v1")
    return result


def _version(version: str) -> KubeObject:
    return {
        "major": "1",
        "minor": str(KUBERNETES_MINOR),
        "emulationMajor": "1",
        "emulationMinor": str(KUBERNETES_MINOR),
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": str(KUBERNETES_MINOR - 1),
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0+jupyter-trainjob-{version}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": "python",
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


def _core_versions() -> KubeObject:
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def _group(group: str, version: str) -> KubeObject:
    entry = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [entry], "preferredVersion": entry}


def _resources(group: str, version: str) -> KubeObject:
    served = [resource for resource in ALL if (resource.group, resource.version) == (group, version)]
    entries = [entry for resource in served for entry in _resource_entries(resource)]
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": entries}


def _resource_entries(resource: Resource) -> list[KubeObject]:
    entry: KubeObject = {
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
    entries = [entry]
    if resource.status:
        entries.append(_subresource_entry(resource, "status", resource.kind, _STATUS_VERBS))
    if resource == PODS:
        entries.append(_subresource_entry(resource, "binding", "Binding", ["create"]))
        entries.append(_subresource_entry(resource, "log", resource.kind, ["get"]))
    return entries


def _subresource_entry(resource: Resource, name: str, kind: str, verbs: list[str]) -> KubeObject:
    base = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    return {**base, "kind": kind, "verbs": verbs}
