"""Unsupported pod fields are rejected or ignored."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_trainjob.cluster.agent.pods import pod_support


def _pod(spec: dict[str, Any], **container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main"}, {"name": "c", **container}], **spec}}


@pytest.mark.parametrize(
    ("pod", "field"),
    [
        pytest.param(_pod({"resourceClaims": [{"name": "gpu"}]}), "spec.resourceClaims", id="a claim of a device"),
        pytest.param(
            _pod({}, readinessProbe={"exec": {"command": ["true"]}}),
            "spec.containers[1].readinessProbe.exec",
            id="a probe that runs a command",
        ),
        pytest.param(
            _pod({"initContainers": [{"name": "i", "lifecycle": {"postStart": {"exec": {"command": ["true"]}}}}]}),
            "spec.initContainers[0].lifecycle.postStart.exec",
            id="a hook that runs a command, in an init container",
        ),
        pytest.param(_pod({"os": {"name": "windows"}}), "spec.os.name", id="another operating system"),
    ],
)
def test_field_that_the_program_needs_is_rejected_by_name(pod: dict[str, Any], field: str) -> None:
    unsupported = pod_support.find_unsupported(pod)
    assert unsupported.refused.startswith(field)
    assert not unsupported.ignored


@pytest.mark.parametrize(
    ("pod", "fields"),
    [
        pytest.param(_pod({}), [], id="no unsupported fields"),
        pytest.param(_pod({"securityContext": {}, "hostNetwork": False}), [], id="empty unsupported fields"),
        pytest.param(
            _pod({"hostNetwork": True}, securityContext={"privileged": True}),
            ["spec.containers[1].securityContext", "spec.hostNetwork"],
            id="rights and the host's network",
        ),
        pytest.param(
            _pod({}, ports=[{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]),
            ["spec.containers[1].ports[1].hostPort"],
            id="a port of the host, not those of the container",
        ),
        pytest.param(
            _pod({}, readinessProbe={"tcpSocket": {"port": 80}}, livenessProbe={"exec": {"command": ["true"]}}),
            ["spec.containers[1].livenessProbe"],
            id="a probe of life, not one of readiness",
        ),
        pytest.param(
            _pod({"affinity": {"nodeAffinity": {"x": 1}, "podAntiAffinity": {"y": 1}}}),
            ["spec.affinity.podAntiAffinity"],
            id="affinity to pods, not to nodes",
        ),
    ],
)
def test_security_and_placement_fields_are_ignored_and_named(pod: dict[str, Any], fields: list[str]) -> None:
    unsupported = pod_support.find_unsupported(pod)
    assert not unsupported.refused
    assert sorted(text.partition(" (")[0] for text in unsupported.ignored) == fields
    assert all(text.endswith(")") for text in unsupported.ignored)
