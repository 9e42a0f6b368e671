"""Checks of clusters: reachable, permitted, with the kinds TrainJob and JobSet installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import (
    CLUSTERTRAININGRUNTIMES,
    JOBSETS,
    TRAINJOBS,
    Resource,
)
from jupyter_trainjob.client.doctor.finding import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.constants import CONTEXT_ENV, EMBEDDED_CONTEXT
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client

PATIENCE = 5.0
INSTALL = {
    TRAINJOBS: "Install Kubeflow Trainer (its Helm chart brings JobSet), or ask the cluster's administrator.",
    JOBSETS: "Install JobSet, or ask the cluster's administrator.",
}

CheckFunction = Callable[[], Sequence[Check]]


def context_checks(context: str | None) -> list[tuple[str, CheckFunction]]:
    """Return one check per context: `context` alone, else every context of the kubeconfig."""
    chosen = os.environ.get(CONTEXT_ENV)
    try:
        known = kubeconfig_file.context_names()
    except errors.UsageError as error:
        return [("kubeconfig", partial(_unusable, str(error)))]
    names = [context] if context else [name for name in known if name != EMBEDDED_CONTEXT]
    pending: list[tuple[str, CheckFunction]] = [(f"context {name}", partial(check_cluster, name)) for name in names]
    if chosen and chosen not in (EMBEDDED_CONTEXT, *known):
        pending.append((CONTEXT_ENV, partial(_missing, chosen, known)))
    return [] if context == EMBEDDED_CONTEXT else pending


def check_cluster(context: str) -> list[Check]:
    """Check one cluster."""
    name = f"context {context}"
    try:
        client = Client(kubeconfig_file.load_transport(context=context), timeout=PATIENCE)
        served = {resource for resource in (TRAINJOBS, JOBSETS) if _serves(client, resource)}
    except errors.UsageError as error:
        return [Check(name, PROBLEM, str(error))]
    except (errors.Unauthorized, errors.Forbidden) as error:
        return [Check(name, PROBLEM, f"it rejects your credentials: {error.message}", "Log in again, as for kubectl.")]
    except errors.TrainJobError as error:
        todo = "Is the address right, the VPN up, the cluster running? Other contexts are not affected."
        return [Check(name, PROBLEM, f"it cannot be reached: {error}", todo)]
    missing = [resource for resource in (TRAINJOBS, JOBSETS) if resource not in served]
    if missing:
        message = f"it does not have {' and no '.join(resource.qualified for resource in missing)}"
        return [Check(name, PROBLEM, message, INSTALL[missing[0]])]
    return [_usable(client, name, kubeconfig_file.context_namespace(context))]


def _usable(client: Client, name: str, namespace: str) -> Check:
    try:
        client.list(TRAINJOBS, namespace=namespace)
        runtimes = sorted(runtime["metadata"]["name"] for runtime in client.list(CLUSTERTRAININGRUNTIMES).items)
    except errors.Forbidden as error:
        return Check(
            name,
            PROBLEM,
            str(error),
            "Ask the cluster's administrator for the permission, or choose another namespace.",
        )
    if not runtimes:
        todo = "Install Kubeflow's runtimes, or use --runtime with one of the namespace."
        return Check(name, NOTE, f"reachable, namespace {namespace}, but it has no ClusterTrainingRuntime", todo)
    return Check(name, OK, f"reachable, namespace {namespace}, runtimes: {', '.join(runtimes)}")


def _serves(client: Client, resource: Resource) -> bool:
    try:
        client.list(resource, namespace="default")
    except errors.NotFound:
        return False
    except errors.Forbidden:
        return True  # The kind is served; permissions are checked separately.
    return True


def _unusable(message: str) -> list[Check]:
    return [Check("kubeconfig", PROBLEM, message)]


def _missing(chosen: str, known: list[str]) -> list[Check]:
    message = f"it names {chosen!r}, and the kubeconfig has {', '.join(known) or 'no contexts'}"
    return [Check(CONTEXT_ENV, PROBLEM, message, "Correct it, or unset it to use this computer.")]
