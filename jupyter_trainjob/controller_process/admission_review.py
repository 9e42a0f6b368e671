"""Answer AdmissionReviews by the rules of the webhooks of Kubeflow Trainer and JobSet.

A pure function of the review and of the runtime that a TrainJob refers to. The embedded API server applies the same
rules without reviews (`cluster.apiserver.admission`).

Upstream: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from typing import Final

import jsonpatch

from jupyter_trainjob.api.admission import deprecation_warnings, webhooks
from jupyter_trainjob.api.kinds import jobsets, trainjobs
from jupyter_trainjob.api.kinds.runtime_rules import FindObject
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBSETS,
    TRAININGRUNTIMES,
    TRAINJOBS,
    KubeObject,
    Resource,
)


class InvalidReview(ValueError):
    """The request is not an AdmissionReview that this webhook handles."""


def _default_train_job(train_job: KubeObject, old: KubeObject | None) -> None:
    trainjobs.set_patch_times(train_job, old)


def _default_jobset(jobset: KubeObject, old: KubeObject | None) -> None:
    if old is None:
        jobsets.name_failure_rules(jobset)
        jobsets.set_defaults(jobset)


MUTATING: Final[dict[Resource, Callable[[KubeObject, KubeObject | None], None]]] = {
    TRAINJOBS: _default_train_job,
    JOBSETS: _default_jobset,
}
VALIDATING: Final = (TRAINJOBS, TRAININGRUNTIMES, CLUSTERTRAININGRUNTIMES, JOBSETS)


def path(resource: Resource, *, mutating: bool) -> str:
    """Return the URL path of a webhook, as controller-runtime makes it.

    >>> path(TRAINJOBS, mutating=True)
    '/mutate-trainer-kubeflow-org-v1alpha1-trainjob'
    """
    verb = "mutate" if mutating else "validate"
    return f"/{verb}-{resource.group.replace('.', '-')}-{resource.version}-{resource.kind.lower()}"


def answer_review(review: KubeObject, resource: Resource, *, mutating: bool, find: FindObject) -> KubeObject:
    """Return the AdmissionReview that answers `review`.

    Raises `InvalidReview` if it has no request for this kind.
    """
    request = review.get("request") or {}
    named = request.get("resource") or {}
    if (named.get("group"), named.get("resource")) != (resource.group, resource.plural) or not request.get("uid"):
        raise InvalidReview(f"This webhook is for {resource.plural} of {resource.group}.")
    response: KubeObject = {"uid": request["uid"], "allowed": True}
    new, old = request.get("object"), request.get("oldObject")
    if request.get("operation") in ("CREATE", "UPDATE") and isinstance(new, dict):
        old = old if isinstance(old, dict) else None
        if mutating:
            response |= _patch(resource, new, old)
        else:
            if denial := webhooks.denial_message(resource, new, old, find=find):
                response |= {"allowed": False, "status": {"code": 403, "reason": "Forbidden", "message": denial}}
            if warnings := deprecation_warnings.admission_warnings(resource, new, old, find=find):
                response["warnings"] = warnings
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def _patch(resource: Resource, new: KubeObject, old: KubeObject | None) -> KubeObject:
    complete = copy.deepcopy(new)
    MUTATING[resource](complete, old)
    operations = jsonpatch.make_patch(new, complete).patch
    if not operations:
        return {}
    return {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}
