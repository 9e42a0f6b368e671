"""The objects that make an API server call the webhooks of this process."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from jupyter_trainjob.api.admission.webhooks import NAMES, RUNTIMES, VALIDATION_DISABLED, VALIDATION_LABEL
from jupyter_trainjob.api.resources import (
    JOBSETS,
    MUTATINGWEBHOOKCONFIGURATIONS,
    VALIDATINGWEBHOOKCONFIGURATIONS,
    KubeObject,
    Resource,
)
from jupyter_trainjob.controller_process import admission_review

DEFAULTER_NAMES = {resource: name.replace("validator.", "defaulter.") for resource, name in NAMES.items()} | {
    JOBSETS: "mjobset.kb.io"
}
TRAINER_CONFIGURATIONS = ("defaulter.trainer.kubeflow.org", "validator.trainer.kubeflow.org")
JOBSET_CONFIGURATIONS = ("jobset-mutating-webhook-configuration", "jobset-validating-webhook-configuration")


def webhook_configurations(*, url: str, ca: bytes, trainer: bool = True, jobset: bool) -> list[KubeObject]:
    """Return the webhook configurations of Trainer, of JobSet, or of both.

    `url` is the address of the webhooks without a path, such as ``https://10.0.0.5:9443``; `ca` the PEM of the
    certificate authority that the API server trusts there.
    """

    def configurations(names: tuple[str, str], resources: Iterable[Resource]) -> list[KubeObject]:
        mutated = [resource for resource in resources if resource in admission_review.MUTATING]
        return [
            {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": {"name": name},
                "webhooks": [_webhook(resource, url=url, ca=ca, mutating=mutating) for resource in webhooks],
            }
            for kind, name, webhooks, mutating in (
                (MUTATINGWEBHOOKCONFIGURATIONS, names[0], mutated, True),
                (VALIDATINGWEBHOOKCONFIGURATIONS, names[1], resources, False),
            )
        ]

    kinds = [resource for resource in admission_review.VALIDATING if resource != JOBSETS]
    return [
        *(configurations(TRAINER_CONFIGURATIONS, kinds) if trainer else ()),
        *(configurations(JOBSET_CONFIGURATIONS, [JOBSETS]) if jobset else ()),
    ]


def _webhook(resource: Resource, *, url: str, ca: bytes, mutating: bool) -> KubeObject:
    rule = {
        "apiGroups": [resource.group],
        "apiVersions": [resource.version],
        "operations": ["CREATE", "UPDATE"],
        "resources": [resource.plural],
    }
    address = f"{url}{admission_review.path(resource, mutating=mutating)}"
    webhook: KubeObject = {
        "name": (DEFAULTER_NAMES if mutating else NAMES)[resource],
        "clientConfig": {"url": address, "caBundle": base64.b64encode(ca).decode()},
        "rules": [rule],
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "sideEffects": "None",
    }
    if resource in RUNTIMES and not mutating:
        unless = {"key": VALIDATION_LABEL, "operator": "NotIn", "values": [VALIDATION_DISABLED]}
        webhook["objectSelector"] = {"matchExpressions": [unless]}
    return webhook
