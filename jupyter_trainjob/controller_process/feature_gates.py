"""Feature gates: features that are off unless ``--feature-gates NAME=true`` turns them on.

The names are Kubeflow Trainer's (https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/features/features.go), the values
those of Go's ``strconv.ParseBool``.
"""

from __future__ import annotations

from typing import Final

TRAINJOB_STATUS: Final = "TrainJobStatus"
"""The status server, and access to it for the trainer's processes."""
KNOWN: Final = frozenset({TRAINJOB_STATUS})
_BOOLEANS: Final = dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "false", "FALSE", "False"), False
)


def parse_feature_gates(text: str) -> frozenset[str]:
    """Return the gates that ``NAME=true,NAME=false,…`` turns on; the last one of a name counts.

    Raises `ValueError` for an unknown gate or value.

    >>> sorted(parse_feature_gates("TrainJobStatus=true"))
    ['TrainJobStatus']
    """
    gates: dict[str, bool] = {}
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        name, equals, value = (part.strip() for part in entry.partition("="))
        if name not in KNOWN:
            raise ValueError(f"unknown feature gate {name!r}; the known gates are {', '.join(sorted(KNOWN))}")
        if value not in _BOOLEANS:
            raise ValueError(f"write {name}=true or {name}=false" + (f", not {entry!r}" if equals else ""))
        gates[name] = _BOOLEANS[value]
    return frozenset(name for name, on in gates.items() if on)
