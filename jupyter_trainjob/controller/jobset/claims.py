"""``volumeClaimPolicies``: the PersistentVolumeClaims that a JobSet makes, and that its pods mount by name."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, Object, owner_reference
from jupyter_trainjob.constants import JOBSET_NAME


def claim_name(jobset: Object, template: Object) -> str:
    """Return the name of a claim: that of its template, then that of the JobSet."""
    return f"{template['metadata']['name']}-{jobset['metadata']['name']}"


def claims(jobset: Object) -> list[Object]:
    """Return the claims that a JobSet wants; those that go with it are owned by it."""
    return [_claim(jobset, policy, template) for policy, template in _templates(jobset)]


def add_volumes(pod: Object, jobset: Object) -> None:
    """Give a pod template, in place, a volume for each claim that one of its containers mounts."""
    spec = pod["spec"]
    mounted = {
        mount["name"]
        for container in (*spec["containers"], *(spec.get("initContainers") or ()))
        for mount in container.get("volumeMounts") or ()
    }
    volumes = [
        {"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name(jobset, template)}}
        for _, template in _templates(jobset)
        if template["metadata"]["name"] in mounted
    ]
    if volumes:
        spec["volumes"] = [*(spec.get("volumes") or ()), *volumes]


def _templates(jobset: Object) -> Iterator[tuple[Object, Object]]:
    for policy in jobset["spec"].get("volumeClaimPolicies") or ():
        for template in policy.get("templates") or ():
            yield policy, template


def _claim(jobset: Object, policy: Object, template: Object) -> Object:
    given = template["metadata"]
    metadata: Object = {
        "name": claim_name(jobset, template),
        "namespace": jobset["metadata"]["namespace"],
        "labels": {**(given.get("labels") or {}), JOBSET_NAME: jobset["metadata"]["name"]},
    }
    if given.get("annotations"):
        metadata["annotations"] = dict(given["annotations"])
    if (policy.get("retentionPolicy") or {}).get("whenDeleted", "Delete") == "Delete":
        metadata["ownerReferences"] = [owner_reference(jobset)]
    return {
        "apiVersion": PERSISTENTVOLUMECLAIMS.api_version,
        "kind": PERSISTENTVOLUMECLAIMS.kind,
        "metadata": metadata,
        "spec": copy.deepcopy(template["spec"]),
    }
