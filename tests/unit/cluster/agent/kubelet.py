"""Pods whose end is compared with what a real kubelet writes of them, and how that is recorded.

``KUBECONFIG=… python -m tests.unit.cluster.agent.kubelet NODE IMAGE`` runs the pods on a node of a real cluster and
writes ``kubelet.json``, which `test_kubelet` holds the agent to. The image needs a shell.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jupyter_trainjob.api.resources import KubeObject

RECORD = Path(__file__).with_name("kubelet.json")
NAMESPACE = "trainjob-kubelet-record"
OURS = ("phase", "reason", "message", "qosClass", "conditions", "initContainerStatuses", "containerStatuses")
PART = ("name", "ready", "started", "restartCount", "state", "lastState")
TIMES = ("startedAt", "finishedAt", "containerID", "lastTransitionTime", "lastProbeTime", "observedGeneration")
ELSEWHERE = ("PodScheduled",)
SHARED = {"volumeMounts": [{"name": "v", "mountPath": "/shared"}]}
VOLUME: KubeObject = {"volumes": [{"name": "v", "emptyDir": {}}]}
LOOP = "trap 'exit 0' TERM; while true; do sleep 0.2; done"


def shell(name: str, code: str, **more: Any) -> KubeObject:
    return {"name": name, "command": ["sh", "-c", code], **more}


def spec(*containers: KubeObject, policy: str = "Never", **more: Any) -> KubeObject:
    return {"restartPolicy": policy, "terminationGracePeriodSeconds": 1, "containers": list(containers), **more}


PODS: dict[str, KubeObject] = {
    "succeeds": spec(shell("a", "true")),
    "fails": spec(shell("a", "exit 3")),
    "has-last-words": spec(shell("a", "echo why > /dev/termination-log; exit 1")),
    "has-a-log-instead": spec(shell("a", "echo 1; echo 2; exit 1", terminationMessagePolicy="FallbackToLogsOnError")),
    "has-limits": spec(shell("a", "true", resources={"limits": {"cpu": "100m", "memory": "64Mi"}})),
    "has-requests": spec(shell("a", "true", resources={"requests": {"cpu": "100m"}})),
    "one-of-two-fails": spec(shell("a", "exit 3"), shell("b", "sleep 1")),
    "init-succeeds": spec(shell("a", "true"), initContainers=[shell("i", "true"), shell("j", "true")]),
    "init-fails": spec(shell("a", "true"), initContainers=[shell("i", "exit 4"), shell("j", "true")]),
    "sidecar": spec(shell("a", "sleep 1"), initContainers=[shell("s", LOOP, restartPolicy="Always")]),
    "sidecar-and-failure": spec(shell("a", "exit 2"), initContainers=[shell("s", LOOP, restartPolicy="Always")]),
    "second-try": spec(
        shell("a", "test -e /shared/x || { touch /shared/x; exit 5; }", **SHARED), policy="OnFailure", **VOLUME
    ),
    "init-second-try": spec(
        shell("a", "true"),
        initContainers=[shell("i", "test -e /shared/x || { touch /shared/x; exit 5; }", **SHARED)],
        policy="OnFailure",
        **VOLUME,
    ),
    "takes-too-long": spec(shell("a", LOOP), activeDeadlineSeconds=2),
    "ignores-its-deadline": spec(shell("a", "trap '' TERM; while true; do sleep 0.2; done"), activeDeadlineSeconds=2),
    "is-refused-a-start": spec({"name": "a", "command": ["/no/such/file"]}),
}


def essence(pod: KubeObject) -> KubeObject:
    """Return the part of a pod's status that does not depend on where it runs."""
    status = {key: pod["status"][key] for key in OURS if key in pod["status"]}
    status["conditions"] = {one.pop("type"): one for one in map(_timeless, status["conditions"])}
    for name in ELSEWHERE:
        status["conditions"].pop(name, None)
    for key in ("initContainerStatuses", "containerStatuses"):
        if key in status:
            status[key] = [_timeless({part: one[part] for part in PART}) for one in status[key]]
    return status


def _timeless(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    fields = {key: _timeless(one) for key, one in value.items() if key not in TIMES}
    if fields.get("reason") == "StartError":
        del fields["message"]
    return fields


def event_kinds(events: list[KubeObject], name: str) -> list[list[str]]:
    """Return the kinds of events about a pod, each once."""
    about = [one for one in events if one["involvedObject"]["name"] == name]
    kinds = {(one["type"], one["reason"], one["involvedObject"].get("fieldPath", "")) for one in about}
    return sorted(list(one) for one in kinds)


def main() -> None:
    """Record the pods of a real kubelet."""
    node, image = sys.argv[1:]
    _kubectl("create", "namespace", NAMESPACE)
    try:
        for name, wanted in PODS.items():
            pod = json.loads(json.dumps({"spec": {**wanted, "nodeName": node}}))
            for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
                one["image"] = image
            pod |= {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}}
            _kubectl("create", "--filename=-", text=json.dumps(pod))
        deadline = time.monotonic() + 120
        while not all(map(_settled, pods := _items("pods"))):
            assert time.monotonic() < deadline, "the pods did not end"
            time.sleep(1)
        events = _items("events")
        recorded = {
            pod["metadata"]["name"]: {"status": essence(pod), "events": event_kinds(events, pod["metadata"]["name"])}
            for pod in pods
        }
        RECORD.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    finally:
        _kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _settled(pod: KubeObject) -> bool:
    """Return whether kubelet has also reported the removal of the pod's sandbox."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return pod["status"]["phase"] in ("Succeeded", "Failed") and conditions["PodReadyToStartContainers"] == "False"


def _items(kind: str) -> list[KubeObject]:
    items: list[KubeObject] = json.loads(_kubectl("get", kind, "--output=json"))["items"]
    return items


def _kubectl(*words: str, text: str = "") -> str:
    command = ["kubectl", "--namespace", NAMESPACE, *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
