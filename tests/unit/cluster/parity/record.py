"""Play the scenarios on a real cluster and write down what was seen.

    KUBECONFIG=… python -m tests.unit.cluster.parity.record [part of a scenario's name]

It needs kube-controller-manager and the JobSet controller, and makes and deletes a namespace for each scenario. What
was recorded goes to ``recorded.json``, which `test_parity` reads.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from jupyter_trainjob.api import names
from jupyter_trainjob.api.resources import NAMESPACES, Object, Resource
from jupyter_trainjob.kube import config
from jupyter_trainjob.kube.client import Client

from .scenarios import OF_JOBS, OF_JOBSETS
from .stage import Stage, parts, until

RECORDED: Final = Path(__file__).with_name("recorded.json")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "ServiceAccount", "serviceaccounts")
QUIET: Final = 1.5
"""Seconds without a change after which a cluster is taken to have done all that it is going to do."""


def main(part: str) -> None:
    """Record the scenarios whose name contains `part`; the others keep what was recorded before."""
    client = Client(config.transport())
    known: Object = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    scenarios = [*OF_JOBS, *OF_JOBSETS]
    chosen = [each for each in scenarios if part in each["name"]]
    with ThreadPoolExecutor(8) as pool:
        for scenario, seen in zip(chosen, pool.map(lambda one: recorded(client, one), chosen), strict=True):
            known[scenario["name"]] = seen
    names = {each["name"] for each in scenarios}
    kept = {name: seen for name, seen in sorted(known.items()) if name in names}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(seen, sort_keys=True)}" for name, seen in kept.items())
    RECORDED.write_text("{\n" + lines + "\n}\n")


def recorded(client: Client, scenario: Object, *, tries: int = 3) -> Object:
    """Play one scenario, and again if it broke.

    The pod garbage collector ends terminating pods that have no node, every 20 seconds, whatever a scenario is up to.
    """
    try:
        return played(client, scenario)
    except RuntimeError:
        if tries == 1:
            raise
        return recorded(client, scenario, tries=tries - 1)


def played(client: Client, scenario: Object) -> Object:
    """Play one scenario in a namespace of its own."""
    namespace = names.generated("parity-")
    client.create(NAMESPACES, {"metadata": {"name": namespace}})
    until(lambda: client.find(SERVICE_ACCOUNTS, "default", namespace=namespace), "the service account")
    try:
        stage = Stage(client, namespace)
        seen: Object = {"seen": []}
        for at, step in parts(scenario):
            if step is None:
                stage.begin(scenario["objects"])
            else:
                stage.do(step)
            seen["seen"].append(settled(stage))
            if at == 0 and scenario["marks"]:
                seen["marks"] = stage.marks()
        return {**seen, "events": stage.events()}
    except Exception as error:
        raise RuntimeError(f"{scenario['name']}: {error}") from error
    finally:
        Stage(client, namespace).free()
        client.delete(NAMESPACES, namespace)


def settled(stage: Stage) -> Object:
    """Return what there is once it no longer changes."""
    last, since = stage.see(), time.monotonic()
    while time.monotonic() - since < QUIET:
        time.sleep(0.1)
        now = stage.see()
        if now != last:
            last, since = now, time.monotonic()
    return last


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
