"""Network: the headless Service that makes the pods' host names resolvable."""

from __future__ import annotations

from jupyter_trainjob.api.kinds import jobsets
from jupyter_trainjob.api.resources import SERVICES, KubeObject, owner_reference
from jupyter_trainjob.constants import JOBSET_NAME
from jupyter_trainjob.controller.jobset import jobset_fields


def headless_service(jobset: KubeObject) -> KubeObject | None:
    """Return the Service that a JobSet needs, if its pods are to have host names."""
    if not jobset_fields.has_hostnames(jobset):
        return None
    not_ready = (jobset["spec"].get("network") or {}).get("publishNotReadyAddresses")
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": {
            "name": jobsets.subdomain(jobset),
            "namespace": jobset["metadata"]["namespace"],
            "ownerReferences": [owner_reference(jobset)],
        },
        "spec": {
            "clusterIP": "None",
            "selector": {JOBSET_NAME: jobset["metadata"]["name"]},
            "publishNotReadyAddresses": not_ready is not False,
        },
    }
