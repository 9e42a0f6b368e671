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
    "arguments of the program": (
        "import sys\nsys.argv = ['train.py', '--lr', '1']",
        "arguments",
        '["train.py", "--lr", "1"]',
    ),
    "modes of new files": ("import os\nos.umask(0o077)", "umask", "63"),
    "the locale of numbers": (
        "import locale\nlocale.setlocale(locale.LC_NUMERIC, 'C.UTF-8')",
        "locale",
        '{"LC_NUMERIC": "C.UTF-8"}',
    ),
    "decimals": ("import decimal\ndecimal.getcontext().prec = 5", "decimal", None),
    "traps of decimals": ("import decimal\ndecimal.getcontext().traps[decimal.Inexact] = True", "decimal", None),
    "NumPy's error handling": ("import numpy\nnumpy.seterr(all='raise')", "numpy errors", _ALL),
    "NumPy's printing": ("import numpy\nnumpy.set_printoptions(precision=2)", "numpy printing", None),
    "pandas' options": (
        "import pandas\npandas.set_option('display.max_rows', 7)",
        "pandas options",
        '{"display.max_rows": 7}',
    ),
    "Matplotlib's parameters": (
        "import matplotlib\nmatplotlib.rcParams['lines.linewidth'] = 9.5\nmatplotlib.use('agg')",
        "matplotlib parameters",
        '{"lines.linewidth": 9.5}',
    ),
    "a style of Matplotlib": ("import matplotlib.style\nmatplotlib.style.use('ggplot')", "matplotlib parameters", None),
    "the type of new tensors": ("import torch\ntorch.set_default_dtype(torch.float64)", "torch dtype", '"float64"'),
    "the device of new tensors": ("import torch\ntorch.set_default_device('meta')", "torch device", '"meta"'),
    "the root logger": (
        "import logging, sys\nlogging.basicConfig(level='INFO', format='{message} !', style='{', stream=sys.stdout)",
        "logging",
        (
            '{"": {"level": 20, "propagate": true, '
            '"handlers": [{"stream": "stdout", "level": 0, "format": ["{message} !", null, "{"]}]}}'
        ),
    ),
    "a logger": (
        "import logging\nlog = logging.getLogger('mine')\nlog.addHandler(logging.StreamHandler())\nlog.setLevel(10)",
        "logging",
        None,
    ),
    "the level of the root logger": ("import logging\nlogging.root.setLevel(10)", "logging", None),
    "warnings as errors": ("import warnings\nwarnings.simplefilter('error')", "warnings", None),
    "warnings of a kind": (
        "import warnings\nwarnings.filterwarnings('ignore', 'old.*', UserWarning, 'lib', 7)",
        "warnings",
        None,
    ),
    "no filters of warnings": ("import warnings\nwarnings.resetwarnings()", "warnings", "[]"),
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
def test_changed_settings_are_installed_in_another_process(change: str, name: str, value: str | None) -> None:
    settings = _run(f"import json\n{change}\nprint(json.dumps(process_settings.changed_settings()))")
    if value is not None:
        assert json.loads(settings)[name] == json.loads(value)
    installed = _run(
        f"import json\nprocess_settings.install(json.loads({settings!r}))\n"
        "print(json.dumps(process_settings.changed_settings()))"
    )
    assert json.loads(installed)[name] == json.loads(settings)[name]


def test_filters_that_a_library_adds_in_the_job_stay() -> None:
    program = (
        "import warnings\nclass Library(Warning): pass\nwarnings.simplefilter('ignore', Library)\n"
        "process_settings.install({'warnings': [['error', None, 'builtins', 'UserWarning', None, 0]]})\n"
        "print([(entry[0], entry[2].__name__) for entry in warnings.filters])"
    )
    assert _run(program) == "[('error', 'UserWarning'), ('ignore', 'Library')]"


def test_missing_module_is_no_error() -> None:
    assert (
        _run("process_settings.install({'of a newer version': 1, 'torch dtype': 'no_such_type'})\nprint('fine')")
        == "fine"
    )
