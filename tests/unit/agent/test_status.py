"""What the status of a pod says of containers that will never run."""

from __future__ import annotations

from jupyter_trainjob.cluster.agent import status
from jupyter_trainjob.cluster.agent.plan import View

POD = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [{"name": "c"}]}}


def test_a_container_of_a_refused_pod_does_not_seem_to_be_about_to_start() -> None:
    verdict = status.Verdict("UnsupportedPod", "no such thing here")
    found = status.of_pod(POD, {"c": View()}, now=status.now(), over=True, verdict=verdict)
    assert found["phase"] == status.FAILED
    waiting = {"reason": "UnsupportedPod", "message": "no such thing here"}
    assert found["containerStatuses"][0]["state"] == {"waiting": waiting}


def test_a_container_that_is_about_to_start_says_so() -> None:
    found = status.of_pod(POD, {"c": View()}, now=status.now())
    assert found["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
