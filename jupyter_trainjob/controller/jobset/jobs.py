"""The Jobs of a JobSet, made from the templates of its replicated jobs."""

from __future__ import annotations

import copy

from jupyter_trainjob.api.resources import JOBS, Object, owner_reference
from jupyter_trainjob.controller.jobset import fields
from jupyter_trainjob.controller.jobset.children import Children
from jupyter_trainjob.controller.jobset.claims import add_volumes
from jupyter_trainjob.controller.jobset.labels import mark


def missing_jobs(jobset: Object, replicated_job: Object, children: Children) -> list[Object]:
    """Return the Jobs of a replicated job that do not exist yet.

    A Job of an earlier attempt that still exists holds its name. With ``BlockingRecreate`` it holds up all others, too.
    """
    strategy = (jobset["spec"].get("failurePolicy") or {}).get("restartStrategy")
    if children.previous and strategy == "BlockingRecreate":
        return []
    return [
        new_job(jobset, replicated_job, index)
        for index in range(fields.replicas(replicated_job))
        if fields.job_name(jobset, replicated_job, index) not in children.names
    ]


def new_job(jobset: Object, replicated_job: Object, index: int) -> Object:
    """Return one Job, with host names for its pods: completion mode Indexed gives the host, ``subdomain`` the rest."""
    template = copy.deepcopy(replicated_job["template"])
    given = template.get("metadata") or {}
    metadata = {name: given[name] for name in ("labels", "annotations") if given.get(name)}
    job: Object = {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            **metadata,
            "name": fields.job_name(jobset, replicated_job, index),
            "namespace": jobset["metadata"]["namespace"],
            "ownerReferences": [owner_reference(jobset)],
        },
        "spec": template["spec"],
    }
    spec = job["spec"]
    spec.setdefault("completionMode", "Indexed")
    spec["suspend"] = fields.suspended(jobset)
    pod = spec["template"]
    pod["spec"].setdefault("restartPolicy", "OnFailure")
    if fields.has_hostnames(jobset):
        pod["spec"]["subdomain"] = fields.subdomain(jobset)
    mark(job, jobset, replicated_job, index)
    mark(pod, jobset, replicated_job, index)
    add_volumes(pod, jobset)
    return job
