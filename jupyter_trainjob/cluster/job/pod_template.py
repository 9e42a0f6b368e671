"""Build a new pod of a Job: its template with the name, labels, owner and index that Kubernetes adds."""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from jupyter_trainjob import constants
from jupyter_trainjob.api import name_validation
from jupyter_trainjob.api.resources import JOBS, KubeObject, owner_reference
from jupyter_trainjob.cluster.job import backoff_per_index
from jupyter_trainjob.cluster.job.job_decision import NewPod

INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"


def build_pod(job: KubeObject, new: NewPod) -> KubeObject:
    """Return the new pod of the Job, to be created."""
    template, job_metadata = deepcopy(job["spec"]["template"]), job["metadata"]
    name, uid = job_metadata["name"], job_metadata["uid"]
    template_metadata = template.get("metadata") or {}
    labels = {**(template_metadata.get("labels") or {}), constants.JOB_NAME: name, constants.JOB_CONTROLLER_UID: uid}
    metadata: KubeObject = {
        "namespace": job_metadata["namespace"],
        "labels": labels,
        "ownerReferences": [
            owner_reference({"apiVersion": JOBS.api_version, "kind": JOBS.kind, "metadata": job_metadata})
        ],
    }
    if template_metadata.get("annotations"):
        metadata["annotations"] = dict(template_metadata["annotations"])
    if template_metadata.get("finalizers"):
        metadata["finalizers"] = list(template_metadata["finalizers"])
    spec = template["spec"]
    if new.index is None:
        metadata["name"] = name_validation.generate_name(f"{name[:57]}-")
        return {"metadata": metadata, "spec": spec}
    # A long Job name is truncated, not the index: with the random suffix a hostname may have 63 characters.
    suffix = f"-{new.index}-"
    metadata["name"] = name_validation.generate_name(
        f"{name}{suffix}" if len(name + suffix) <= 58 else name[: 58 - len(suffix)] + suffix
    )
    labels[constants.JOB_COMPLETION_INDEX] = str(new.index)
    annotations = metadata.setdefault("annotations", {})
    annotations[constants.JOB_COMPLETION_INDEX] = str(new.index)
    if backoff_per_index.is_enabled(job):
        annotations.update(backoff_per_index.failure_annotations(job, new.replaces))
    spec["hostname"] = f"{name}-{new.index}"
    path = f"metadata.labels['{constants.JOB_COMPLETION_INDEX}']"
    variable = {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}}}
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        if all(entry["name"] != INDEX_VARIABLE for entry in container.get("env") or ()):
            container["env"] = [*(container.get("env") or ()), variable]
    return {"metadata": metadata, "spec": spec}
