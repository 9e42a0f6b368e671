"""The committed schemas of built-in kinds are those of the pinned Kubernetes release."""

from __future__ import annotations

import pytest

from jupyter_trainjob.api.schemas import builtin_types

from .kube import builtin as sources


@pytest.mark.usefixtures("programs")
def test_committed_schemas_equal_those_of_the_sources() -> None:
    assert builtin_types.FILE.read_text() == sources.text()
