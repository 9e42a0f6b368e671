"""Settings of the notebook's process that a job receives."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.unit.worker.conftest import clean
from tests.waiting import patience

_ALL = '{"divide": "raise", "over": "raise", "under": "raise", "invalid": "raise"}'
CHANGES = {
    "how deep calls may go": ("import sys\nsys.setrecursionlimit(4321)", "recursion limit", "4321"),
    "decimals": ("import decimal\ndecimal.getcontext().prec = 5", "decimal", '[5, "ROUND_HALF_EVEN"]'),
    "NumPy's error handling": ("import numpy\nnumpy.seterr(all='raise')", "numpy errors", _ALL),
    "the type of new tensors": ("import torch\ntorch.set_default_dtype(torch.float64)", "torch dtype", '"float64"'),
}


def _run(program: str) -> str:
    text = f"from jupyter_trainjob.worker import process_settings\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", text], env=clean(), capture_output=True, text=True, timeout=patience(60), check=True
    )
    return done.stdout.strip()


def test_default_settings_are_not_captured() -> None:
    assert _run("import decimal, sys\nsys.setrecursionlimit(1000)\nprint(process_settings.changed_settings())") == "{}"


@pytest.mark.parametrize(("change", "name", "value"), CHANGES.values(), ids=CHANGES)
def test_changed_settings_are_installed_in_another_process(change: str, name: str, value: str) -> None:
    settings = _run(f"import json\n{change}\nprint(json.dumps(process_settings.changed_settings()))")
    assert json.loads(settings)[name] == json.loads(value)
    installed = _run(
        f"import json\nprocess_settings.install(json.loads({settings!r}))\n"
        "print(json.dumps(process_settings.changed_settings()))"
    )
    assert json.loads(installed)[name] == json.loads(value)


def test_missing_module_is_no_error() -> None:
    assert (
        _run("process_settings.install({'of a newer version': 1, 'torch dtype': 'no_such_type'})\nprint('fine')")
        == "fine"
    )
