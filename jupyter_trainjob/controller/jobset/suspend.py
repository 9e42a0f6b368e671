"""Suspend and resume: what has to change on the Jobs of a JobSet that is stopped or let go on.

While a JobSet is suspended, queueing systems may set where its pods shall run; on resume that reaches the Jobs, merged
with what others have put there meanwhile.
"""

from __future__ import annotations

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.controller.jobset import fields

REASON = "SuspendedJobs"
MESSAGE = "jobset is suspended"
RESUMED_REASON = "ResumeJobs"
RESUMED_MESSAGE = "jobset is resumed"


def suspend_patch(job: Object) -> Object | None:
    """Return the merge patch that suspends a Job; None if it is suspended."""
    return None if fields.suspended(job) else {"spec": {"suspend": True}}


def resume_patch(job: Object, replicated_job: Object) -> Object | None:
    """Return the merge patch that lets a Job go on under the template of its replicated job; None if it runs."""
    if not fields.suspended(job):
        return None
    wanted, present = replicated_job["template"]["spec"]["template"], job["spec"]["template"]
    metadata = {
        name: value
        for name in ("labels", "annotations")
        if (value := _missing_keys(present.get("metadata") or {}, wanted.get("metadata") or {}, name))
    }
    spec: Object = {}
    if selector := _missing_keys(present["spec"], wanted["spec"], "nodeSelector"):
        spec["nodeSelector"] = selector
    for name in ("tolerations", "schedulingGates"):
        has = present["spec"].get(name) or []
        more = [item for item in wanted["spec"].get(name) or () if item not in has]
        if more:
            spec[name] = [*has, *more]
    template = {name: value for name, value in (("metadata", metadata), ("spec", spec)) if value}
    patch: Object = {"spec": {"suspend": False}}
    if template:
        patch["spec"]["template"] = template
    return patch


def _missing_keys(present: Object, wanted: Object, name: str) -> Object:
    has = present.get(name) or {}
    return {key: value for key, value in (wanted.get(name) or {}).items() if has.get(key) != value}
