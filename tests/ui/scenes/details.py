"""The details of the scenes' jobs: code and options."""

from __future__ import annotations

from typing import Any

from jupyter_trainjob.client.reproduce.details import Section, describe_bundle
from jupyter_trainjob.worker.manifest import CELL, Manifest, Module, Recipe, Value

MANIFEST = Manifest(
    job="digits-x7k2p",
    key="",
    kind=CELL,
    source="train(data, lr)",
    filename="Cell [12]",
    out=(),
    values=(
        Value("data", "numpy.ndarray (1797, 64) float64", 920_064),
        Value("lr", "float", 12),
        Value("np", "module numpy", 41),
        Value("train", "function", 1_842),
    ),
    has_code=True,
    python="3.11",
    versions={"python": "3.11.7", "cloudpickle": "3.1.2"},
    parts=(),
    sources={},
    recipes=(
        Recipe("lr", "float", literal="0.01"),
        Recipe("np", "module", statement="import numpy as np"),
        Recipe("train", "function", label="Cell [3]", line=2),
    ),
    modules=(Module("mylib", "", 12_480), Module("numpy", "2.4.6", 0), Module("torch", "2.15.0", 0)),
    files=("config.toml",),
    seed=757497613,
)
RECORD: dict[str, Any] = {
    "time": "2026-11-23T09:00:00Z",
    "user": "ada",
    "cell": {"sha256": "a92826ee5a3da0148cbb2648b3a88592a26d15d8514a26f6c80bf824f8fa9b07"},
    "notebook": "/home/ada/digits/train.ipynb",
    "folder": "/home/ada/digits",
    "git": {"commit": "725c1437a2cb57f2a91be23b033023e7a504b6b5", "branch": "main", "dirty": True},
    "packages": {"numpy": "2.4.6", "torch": "2.15.0", "jupyter_trainjob": "0.1.0"},
    "runtime": {"metadata": {"name": "torch-distributed"}},
    "options": {"nodes": 8},
}


def sections() -> list[Section]:
    """Return the details of every scene's job."""
    return describe_bundle(MANIFEST, RECORD)
