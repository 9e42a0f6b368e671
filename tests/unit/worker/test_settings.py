"""Settings of the notebook's process go along."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.worker.conftest import clean

_ALL = '{"divide": "raise", "over": "raise", "under": "raise", "invalid": "raise"}'
CHANGES = {
    "how deep calls may go": ("import sys\nsys.setrecursionlimit(4321)", "recursion limit", "4321"),
    "decimals": ("import decimal\ndecimal.getcontext().prec = 5", "decimal", '[5, "ROUND_HALF_EVEN"]'),
    "what NumPy does about errors": ("import numpy\nnumpy.seterr(all='raise')", "numpy errors", _ALL),
    "the type of new tensors": ("import torch\ntorch.set_default_dtype(torch.float64)", "torch dtype", '"float64"'),
}


def _run(program: str) -> str:
    text = f"from jupyter_trainjob.worker import settings\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", text], env=clean(), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_what_stands_at_its_default_is_left_alone() -> None:
    assert _run("import decimal, sys\nsys.setrecursionlimit(1000)\nprint(settings.changed())") == "{}"


@pytest.mark.parametrize(("change", "name", "value"), CHANGES.values(), ids=CHANGES)
def test_what_is_changed_is_the_same_elsewhere(change: str, name: str, value: str) -> None:
    found = _run(f"import json\n{change}\nprint(json.dumps(settings.changed()))")
    assert json.loads(found)[name] == json.loads(value)
    there = _run(f"import json\nsettings.install(json.loads({found!r}))\nprint(json.dumps(settings.changed()))")
    assert json.loads(there)[name] == json.loads(value)


def test_what_is_not_installed_is_no_error() -> None:
    assert _run("settings.install({'of a newer version': 1, 'torch dtype': 'no_such_type'})\nprint('fine')") == "fine"
