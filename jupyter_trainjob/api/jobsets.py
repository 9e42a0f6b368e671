"""JobSets as JobSet's admission webhooks complete and check them (pkg/webhooks/jobset_webhook.go).

On a cluster with JobSet its own webhooks do this; the embedded API server has none, so the rules stand here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from jupyter_trainjob.api import schema
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.api.schema import FieldError

_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_RULE: Final = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_LONGEST: Final = 63
_POD_SUFFIX: Final = "-abcde"


def complete(jobset: Object) -> None:
    """Fill in, in place, what JobSet's defaulting webhook fills in."""
    spec = jobset.setdefault("spec", {})
    spec.setdefault("successPolicy", {"operator": "All"})
    spec.setdefault("startupPolicy", {"startupPolicyOrder": "AnyOrder"})
    network = spec.setdefault("network", {})
    network.setdefault("enableDNSHostnames", True)
    network.setdefault("publishNotReadyAddresses", True)
    for job in spec.get("replicatedJobs") or ():
        job_spec = job["template"].setdefault("spec", {})
        job_spec.setdefault("completionMode", "Indexed")
        pod = (job_spec.get("template") or {}).get("spec")
        if isinstance(pod, dict):
            pod.setdefault("restartPolicy", "OnFailure")
    for policy in spec.get("volumeClaimPolicies") or ():
        policy.setdefault("retentionPolicy", {"whenDeleted": "Delete"})


def name_rules(jobset: Object) -> None:
    """Name, in place, the rules of the failure policy that have no name: the schema, too, wants each to have one."""
    spec = jobset.get("spec")
    policy = spec.get("failurePolicy") if isinstance(spec, dict) else None
    rules = policy.get("rules") if isinstance(policy, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            rule["name"] = rule.get("name") or f"failurePolicyRule{index}"


def check(jobset: Object, old: Object | None = None) -> Iterator[FieldError]:
    """Yield what JobSet's validating webhook refuses; `old` is what the JobSet replaces."""
    spec = jobset.get("spec") or {}
    jobs = spec.get("replicatedJobs") or []
    if old is not None:
        yield from _check_change(spec, old.get("spec") or {})
        return
    subdomain = (spec.get("network") or {}).get("subdomain")
    if subdomain:
        yield from _check_label(subdomain, "spec.network.subdomain", "the subdomain is the name of a Service, and it")
    known: set[str] = set()
    for index, job in enumerate(jobs):
        yield from _check_names(jobset["metadata"].get("name") or "", job, f"spec.replicatedJobs[{index}]")
        for dependency in job.get("dependsOn") or ():
            if dependency["name"] not in known:
                message = f'Invalid value: "{dependency["name"]}": a replicated job depends on jobs before it only'
                yield FieldError(f"spec.replicatedJobs[{index}].dependsOn", schema.INVALID, message)
        known.add(job["name"])
    yield from _check_gates(spec)
    yield from _check_rule_names(spec)
    for path, name in _targets(spec):
        if name not in known:
            message = f'Invalid value: "{name}": there is no replicated job of that name'
            yield FieldError(path, schema.INVALID, message)


def _check_gates(spec: Object) -> Iterator[FieldError]:
    """Refuse what JobSet v0.12 does behind feature gates that are off."""
    policy = spec.get("failurePolicy") or {}
    if policy.get("restartStrategy") == "InPlaceRestart":
        message = (
            "Forbidden: InPlaceRestart restart strategy cannot be set when InPlaceRestart feature gate is disabled, "
            "use Recreate or BlockingRecreate"
        )
        yield FieldError("spec.failurePolicy.restartStrategy", schema.FORBIDDEN, message)
    for index, rule in enumerate(policy.get("rules") or ()):
        if rule["action"] in {"RestartJob", "RestartJobAndIgnoreMaxRestarts"}:
            message = (
                "Forbidden: RestartJob and RestartJobAndIgnoreMaxRestarts failure policy actions are not allowed when "
                "RestartJob feature gate is disabled, use RestartJobSet"
            )
            yield FieldError(f"spec.failurePolicy.rules[{index}].action", schema.FORBIDDEN, message)


def _check_rule_names(spec: Object) -> Iterator[FieldError]:
    names = [rule["name"] for rule in (spec.get("failurePolicy") or {}).get("rules") or ()]
    for index, name in enumerate(names):
        path = f"spec.failurePolicy.rules[{index}].name"
        if _RULE.fullmatch(name) is None:
            message = (
                f'Invalid value: "{name}": a failure policy rule name must start with an alphabetic character, then '
                "have alphanumeric characters or '_,:', and end with an alphanumeric character or '_'"
            )
            yield FieldError(path, schema.INVALID, message)
        if name in names[:index]:
            yield FieldError(path, schema.INVALID, f'Invalid value: "{name}": rule names are not unique')


def _check_names(jobset: str, job: Object, path: str) -> Iterator[FieldError]:
    """Hold the longest names that will be made against the length of a DNS label, while the user can still choose."""
    last = f"{jobset}-{job['name']}-{max(job.get('replicas', 1) - 1, 0)}"
    yield from _check_label(last, f"{path}.name", "the name of its last Job")
    spec = (job.get("template") or {}).get("spec") or {}
    completions = spec.get("completions")
    if spec.get("completionMode") == "Indexed" and completions and len(last) <= _LONGEST:
        pod = f"{last}-{completions - 1}{_POD_SUFFIX}"
        yield from _check_label(pod, f"{path}.name", "the name of its last Pod")


def _check_label(name: str, path: str, what: str) -> Iterator[FieldError]:
    if len(name) > _LONGEST:
        message = f'Invalid value: "{name}": {what} must be no more than {_LONGEST} characters, choose a shorter name'
        yield FieldError(path, schema.INVALID, message)
    if _LABEL.fullmatch(name) is None:
        message = f"Invalid value: \"{name}\": {what} must hold lower-case letters, digits and '-', a letter first"
        yield FieldError(path, schema.INVALID, message)


def _targets(spec: Object) -> Iterator[tuple[str, str]]:
    """Yield every place that names a replicated job, and the name."""
    for name in (spec.get("successPolicy") or {}).get("targetReplicatedJobs") or ():
        yield "spec.successPolicy.targetReplicatedJobs", name
    for index, rule in enumerate((spec.get("failurePolicy") or {}).get("rules") or ()):
        for name in rule.get("targetReplicatedJobs") or ():
            yield f"spec.failurePolicy.rules[{index}].targetReplicatedJobs", name
    if spec.get("coordinator"):
        yield "spec.coordinator.replicatedJob", spec["coordinator"]["replicatedJob"]


def _check_change(new: Object, old: Object) -> Iterator[FieldError]:
    loose = bool(new.get("suspend") or old.get("suspend"))
    if _fixed(new, loose=loose) != _fixed(old, loose=loose):
        message = 'Invalid value: "array": field is immutable'
        yield FieldError("spec.replicatedJobs", schema.INVALID, message)
    if new.get("managedBy") != old.get("managedBy"):
        yield FieldError(
            "spec.managedBy", schema.INVALID, f'Invalid value: "{new.get("managedBy")}": field is immutable'
        )


def _fixed(spec: Object, *, loose: bool) -> Any:
    """Return the part of the replicated jobs that may not change; suspended, queueing systems may say where pods go."""
    jobs = spec.get("replicatedJobs") or []
    if not loose:
        return jobs
    jobs = deepcopy(jobs)
    for job in jobs:
        template = ((job.get("template") or {}).get("spec") or {}).get("template") or {}
        metadata, pod = template.get("metadata") or {}, template.get("spec") or {}
        for part, names in (
            (metadata, ("annotations", "labels")),
            (pod, ("nodeSelector", "tolerations", "schedulingGates")),
        ):
            for name in names:
                part.pop(name, None)
        if not metadata:
            template.pop("metadata", None)
    return jobs
