"""Clusters: can they be reached, may one work there, and do they know TrainJobs and JobSets."""

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
from jupyter_trainjob.client.doctor.check import NOTE, OK, PROBLEM, Check
from jupyter_trainjob.constants import CONTEXT_ENV, EMBEDDED_CONTEXT
from jupyter_trainjob.kube import config
from jupyter_trainjob.kube.client import Client

PATIENCE = 5.0
INSTALL = {
    TRAINJOBS: "Install Kubeflow Trainer (its Helm chart brings JobSet), or ask who runs the cluster.",
    JOBSETS: "Install JobSet, or ask who runs the cluster.",
}

Look = Callable[[], Sequence[Check]]


def looks(context: str | None) -> list[tuple[str, Look]]:
    """Return one look per context: `context` alone, else all of the kubeconfig."""
    chosen = os.environ.get(CONTEXT_ENV)
    try:
        known = config.contexts()
    except errors.UsageError as error:
        return [("kubeconfig", partial(_unusable, str(error)))]
    names = [context] if context else [name for name in known if name != EMBEDDED_CONTEXT]
    found: list[tuple[str, Look]] = [(f"context {name}", partial(cluster, name)) for name in names]
    if chosen and chosen not in (EMBEDDED_CONTEXT, *known):
        found.append((CONTEXT_ENV, partial(_missing, chosen, known)))
    return [] if context == EMBEDDED_CONTEXT else found


def cluster(context: str) -> list[Check]:
    """Look at one cluster."""
    name = f"context {context}"
    try:
        client = Client(config.transport(context=context), timeout=PATIENCE)
        served = {resource for resource in (TRAINJOBS, JOBSETS) if _serves(client, resource)}
    except errors.UsageError as error:
        return [Check(name, PROBLEM, str(error))]
    except (errors.Unauthorized, errors.Forbidden) as error:
        return [
            Check(name, PROBLEM, f"it does not let you in: {error.message}", "Log in again, as its owner told you.")
        ]
    except errors.TrainJobError as error:
        todo = "Is the address right, the VPN up, the cluster running? Other contexts are not affected."
        return [Check(name, PROBLEM, f"it cannot be reached: {error}", todo)]
    missing = [resource for resource in (TRAINJOBS, JOBSETS) if resource not in served]
    if missing:
        what = f"it knows no {' and no '.join(resource.qualified for resource in missing)}"
        return [Check(name, PROBLEM, what, INSTALL[missing[0]])]
    return [_usable(client, name, config.namespace_of(context))]


def _usable(client: Client, name: str, namespace: str) -> Check:
    try:
        client.list(TRAINJOBS, namespace=namespace)
        runtimes = sorted(each["metadata"]["name"] for each in client.list(CLUSTERTRAININGRUNTIMES).items)
    except errors.Forbidden as error:
        return Check(name, PROBLEM, str(error), "Ask who runs the cluster for the right, or choose another namespace.")
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
        return True  # It is served; whether one may use it is another question.
    return True


def _unusable(message: str) -> list[Check]:
    return [Check("kubeconfig", PROBLEM, message)]


def _missing(chosen: str, known: list[str]) -> list[Check]:
    what = f"it names {chosen!r}, and the kubeconfig has {', '.join(known) or 'no contexts'}"
    return [Check(CONTEXT_ENV, PROBLEM, what, "Correct it, or unset it to use this computer.")]
