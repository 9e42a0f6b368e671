"""Play the scenarios on a real cluster and record the states and events.

    KUBECONFIG=… python -m tests.unit.cluster.parity.record [part of a scenario's name]

It needs kube-controller-manager and the JobSet controller, and creates and deletes a namespace for each scenario.
The results are stored in ``recorded.json``, which `test_parity` reads.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from jupyter_trainjob.api import name_validation
from jupyter_trainjob.api.resources import NAMESPACES, KubeObject, Resource
from jupyter_trainjob.kube import kubeconfig_file
from jupyter_trainjob.kube.client import Client
from tests.waiting import wait_for

from .scenarios import OF_JOBS, OF_JOBSETS
from .stage import Stage, parts

RECORDED: Final = Path(__file__).with_name("recorded.json")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "ServiceAccount", "serviceaccounts")
QUIET: Final = 1.5
"""Seconds without a change after which a cluster is taken to have done all that it is going to do."""


def main(part: str) -> None:
    """Record the scenarios whose name contains `part`; the others keep their earlier records."""
    client = Client(kubeconfig_file.load_transport())
    known: KubeObject = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    scenarios = [*OF_JOBS, *OF_JOBSETS]
    chosen = [scenario for scenario in scenarios if part in scenario["name"]]
    with ThreadPoolExecutor(8) as pool:
        for scenario, record in zip(chosen, pool.map(lambda one: recorded(client, one), chosen), strict=True):
            known[scenario["name"]] = record
    names = {scenario["name"] for scenario in scenarios}
    records = {name: record for name, record in sorted(known.items()) if name in names}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(record, sort_keys=True)}" for name, record in records.items())
    RECORDED.write_text("{\n" + lines + "\n}\n")


def recorded(client: Client, scenario: KubeObject, *, tries: int = 3) -> KubeObject:
    """Play one scenario; repeat it once after an error.

    The pod garbage collector ends terminating pods that have no node, every 20 seconds, whatever a scenario is up to.
    """
    try:
        return played(client, scenario)
    except RuntimeError:
        if tries == 1:
            raise
        return recorded(client, scenario, tries=tries - 1)


def played(client: Client, scenario: KubeObject) -> KubeObject:
    """Play one scenario in its own namespace."""
    namespace = name_validation.generate_name("parity-")
    client.create(NAMESPACES, {"metadata": {"name": namespace}})
    wait_for(lambda: client.find(SERVICE_ACCOUNTS, "default", namespace=namespace), "the service account")
    try:
        stage = Stage(client, namespace)
        record: KubeObject = {"seen": []}
        for at, step in parts(scenario):
            if step is None:
                stage.begin(scenario["objects"])
            else:
                stage.do(step)
            record["seen"].append(settled(stage))
            if at == 0 and scenario["marks"]:
                record["marks"] = stage.marks()
        return {**record, "events": stage.events()}
    except Exception as error:
        raise RuntimeError(f"{scenario['name']}: {error}") from error
    finally:
        Stage(client, namespace).free()
        client.delete(NAMESPACES, namespace)


def settled(stage: Stage) -> KubeObject:
    """Return the state of the cluster once it no longer changes."""
    last, since = stage.see(), time.monotonic()
    while time.monotonic() - since < QUIET:
        time.sleep(0.1)
        now = stage.see()
        if now != last:
            last, since = now, time.monotonic()
    return last


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
