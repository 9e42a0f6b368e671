"""The programs of the benchmark of the controllers, in versions that a go.mod pins."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.conformance.kube.build import Programs, module_sources

_FOLDER: Final = Path(__file__).parent

KUBERNETES: Final = Programs(
    _FOLDER / "kubernetes",
    {
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    },
)
KWOK: Final = Programs(_FOLDER / "kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
"""Nodes on which pods run and end without a program."""


def kwok_stages() -> list[Path]:
    """Return KWOK's files for nodes that are ready, and pods that run, complete and are deleted at once."""
    stages = module_sources(KWOK.module, "sigs.k8s.io/kwok") / "kustomize" / "stage"
    return [
        stages / "node" / "fast" / "node-initialize.yaml",
        *(stages / "pod" / "fast" / f"pod-{name}.yaml" for name in ("ready", "complete", "delete")),
    ]
