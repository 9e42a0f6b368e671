"""A new pod of a Job: its template, with the labels, the name and the index that Kubernetes gives."""

from __future__ import annotations

from copy import deepcopy
from typing import Final

from jupyter_trainjob import constants
from jupyter_trainjob.api import names
from jupyter_trainjob.api.resources import JOBS, Object, owner_reference
from jupyter_trainjob.cluster.job import per_index
from jupyter_trainjob.cluster.job.decision import NewPod

INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"


def pod_for(job: Object, new: NewPod) -> Object:
    """Return a new pod of the Job."""
    template, job_metadata = deepcopy(job["spec"]["template"]), job["metadata"]
    name, uid = job_metadata["name"], job_metadata["uid"]
    given = template.get("metadata") or {}
    labels = {**(given.get("labels") or {}), constants.JOB_NAME: name, constants.JOB_CONTROLLER_UID: uid}
    metadata: Object = {
        "namespace": job_metadata["namespace"],
        "labels": labels,
        "ownerReferences": [
            owner_reference({"apiVersion": JOBS.api_version, "kind": JOBS.kind, "metadata": job_metadata})
        ],
    }
    if given.get("annotations"):
        metadata["annotations"] = dict(given["annotations"])
    if given.get("finalizers"):
        metadata["finalizers"] = list(given["finalizers"])
    spec = template["spec"]
    if new.index is None:
        metadata["name"] = names.generated(f"{name[:57]}-")
        return {"metadata": metadata, "spec": spec}
    # The index stays whole, however long the name of the Job is; a hostname may have 63 characters.
    ending = f"-{new.index}-"
    metadata["name"] = names.generated(
        f"{name}{ending}" if len(name + ending) <= 58 else name[: 58 - len(ending)] + ending
    )
    labels[constants.JOB_COMPLETION_INDEX] = str(new.index)
    annotations = metadata.setdefault("annotations", {})
    annotations[constants.JOB_COMPLETION_INDEX] = str(new.index)
    if per_index.applies(job):
        annotations.update(per_index.counted_on(job, new.replaces))
    spec["hostname"] = f"{name}-{new.index}"
    path = f"metadata.labels['{constants.JOB_COMPLETION_INDEX}']"
    variable = {"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}}}
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        if all(each["name"] != INDEX_VARIABLE for each in container.get("env") or ()):
            container["env"] = [*(container.get("env") or ()), variable]
    return {"metadata": metadata, "spec": spec}
