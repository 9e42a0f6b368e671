"""``volumeClaimPolicies``: the PersistentVolumeClaims that a JobSet makes, and that its pods mount by name."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from jupyter_trainjob.api.kinds import jobsets
from jupyter_trainjob.api.resources import PERSISTENTVOLUMECLAIMS, KubeObject, owner_reference
from jupyter_trainjob.constants import JOBSET_NAME


def wanted_claims(jobset: KubeObject) -> list[KubeObject]:
    """Return the claims of a JobSet; those that are deleted with it are owned by it."""
    return [_claim(jobset, policy, template) for policy, template in _templates(jobset)]


def add_volumes(pod: KubeObject, jobset: KubeObject) -> None:
    """Add, in place, a volume to a pod template for each claim that one of its containers mounts."""
    spec = pod["spec"]
    mounted = {
        mount["name"]
        for container in (*spec["containers"], *(spec.get("initContainers") or ()))
        for mount in container.get("volumeMounts") or ()
    }
    volumes = [
        {"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": _claim_name(jobset, template)}}
        for _, template in _templates(jobset)
        if template["metadata"]["name"] in mounted
    ]
    if volumes:
        spec["volumes"] = [*(spec.get("volumes") or ()), *volumes]


def _claim_name(jobset: KubeObject, template: KubeObject) -> str:
    return jobsets.claim_name(jobset["metadata"]["name"], template["metadata"]["name"])


def _templates(jobset: KubeObject) -> Iterator[tuple[KubeObject, KubeObject]]:
    for policy in jobset["spec"].get("volumeClaimPolicies") or ():
        for template in policy.get("templates") or ():
            yield policy, template


def _claim(jobset: KubeObject, policy: KubeObject, template: KubeObject) -> KubeObject:
    template_metadata = template["metadata"]
    metadata: KubeObject = {
        "name": _claim_name(jobset, template),
        "namespace": jobset["metadata"]["namespace"],
        "labels": {**(template_metadata.get("labels") or {}), JOBSET_NAME: jobset["metadata"]["name"]},
    }
    if template_metadata.get("annotations"):
        metadata["annotations"] = dict(template_metadata["annotations"])
    if (policy.get("retentionPolicy") or {}).get("whenDeleted", "Delete") == "Delete":
        metadata["ownerReferences"] = [owner_reference(jobset)]
    return {
        "apiVersion": PERSISTENTVOLUMECLAIMS.api_version,
        "kind": PERSISTENTVOLUMECLAIMS.kind,
        "metadata": metadata,
        "spec": copy.deepcopy(template["spec"]),
    }
