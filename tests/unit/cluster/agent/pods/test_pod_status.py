"""The status of a pod whose containers have not started."""

from __future__ import annotations

from jupyter_trainjob.api.times import timestamp
from jupyter_trainjob.cluster.agent.pods import pod_status
from jupyter_trainjob.cluster.agent.pods.pod_plan import View

POD = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [{"name": "c"}]}}


def test_container_of_a_rejected_pod_is_not_reported_as_creating() -> None:
    verdict = pod_status.Termination("UnsupportedPod", "no such thing here")
    status = pod_status.pod_status(POD, {"c": View()}, now=timestamp(), finished=True, verdict=verdict)
    assert status["phase"] == pod_status.FAILED
    waiting = {"reason": "UnsupportedPod", "message": "no such thing here"}
    assert status["containerStatuses"][0]["state"] == {"waiting": waiting}


def test_unstarted_container_is_reported_as_creating() -> None:
    status = pod_status.pod_status(POD, {"c": View()}, now=timestamp())
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
