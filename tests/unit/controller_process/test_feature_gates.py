"""The text of ``--feature-gates``."""

from __future__ import annotations

import pytest

from jupyter_trainjob.controller_process.feature_gates import parse_feature_gates


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("", set()),
        ("TrainJobStatus=true", {"TrainJobStatus"}),
        (" TrainJobStatus = 1 ,", {"TrainJobStatus"}),
        ("TrainJobStatus=false", set()),
        ("TrainJobStatus=T,TrainJobStatus=0", set()),
    ],
)
def test_gates_that_are_on(text: str, on: set[str]) -> None:
    assert parse_feature_gates(text) == on


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainjobstatus=true", "unknown feature gate 'trainjobstatus'; the known gates are TrainJobStatus"),
        ("TrainJobStatus", "write TrainJobStatus=true or TrainJobStatus=false$"),
        ("TrainJobStatus=yes", "not 'TrainJobStatus=yes'"),
    ],
)
def test_unknown_gates_and_values_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_feature_gates(text)
