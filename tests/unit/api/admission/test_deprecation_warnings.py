"""Warnings about deprecated runtimes, as of Kubeflow Trainer's webhooks."""

from __future__ import annotations

from typing import Final

import pytest

from jupyter_trainjob.api.admission.deprecation_warnings import admission_warnings
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, TRAININGRUNTIMES, TRAINJOBS, KubeObject, Resource

DEPRECATED: Final = {"trainer.kubeflow.org/support": "deprecated"}
TEXT: Final = (
    'ClusterTrainingRuntime "old" is deprecated and will be removed in a future release of Kubeflow Trainer. See '
    "runtime deprecation policy: https://trainer.kubeflow.org/en/latest/operator-guides/runtime.html#runtime-deprecation-policy"
)


def runtime(**labels: str) -> KubeObject:
    return {"metadata": {"name": "old", "labels": labels}}


@pytest.mark.parametrize(
    ("kind", "found", "expected"),
    [
        pytest.param("ClusterTrainingRuntime", runtime(**DEPRECATED), [f"Referenced {TEXT}"], id="deprecated"),
        pytest.param("ClusterTrainingRuntime", runtime(), [], id="without the label"),
        pytest.param(
            "ClusterTrainingRuntime", runtime(**{"trainer.kubeflow.org/support": "full"}), [], id="another value"
        ),
        pytest.param("ClusterTrainingRuntime", None, [], id="missing"),
        pytest.param("TrainingRuntime", runtime(**DEPRECATED), [], id="of a namespace"),
    ],
)
def test_trainjob_of_a_deprecated_cluster_runtime_has_a_warning(
    kind: str, found: KubeObject | None, expected: list[str]
) -> None:
    reference = {"apiGroup": "trainer.kubeflow.org", "kind": kind, "name": "old"}
    job = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"runtimeRef": reference}}
    for old in (None, job):
        assert admission_warnings(TRAINJOBS, job, old, find=lambda *_: found) == expected
    assert admission_warnings(TRAINJOBS, job, None, find=None) == []


@pytest.mark.parametrize(
    ("resource", "old", "expected"),
    [
        pytest.param(CLUSTERTRAININGRUNTIMES, None, [TEXT], id="created"),
        pytest.param(CLUSTERTRAININGRUNTIMES, runtime(), [], id="updated"),
        pytest.param(TRAININGRUNTIMES, None, [], id="of a namespace"),
    ],
)
def test_deprecated_cluster_runtime_has_a_warning_when_it_is_created(
    resource: Resource, old: KubeObject | None, expected: list[str]
) -> None:
    assert admission_warnings(resource, runtime(**DEPRECATED), old, find=None) == expected
