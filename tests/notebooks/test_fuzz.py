"""Generated programs give the same value in the notebook and in a job; a failure shows the smallest program.

``TRAINJOB_FUZZ_SECONDS`` sets the duration, and ``TRAINJOB_FUZZ_SEED`` the seed of the first program.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import time
from pathlib import Path

import pytest

from jupyter_trainjob.errors import UsageError
from tests.notebooks.corpus.compare import difference
from tests.notebooks.fuzz.programs import Program, program
from tests.unit.worker.conftest import Notebook, launch

SECONDS = float(os.environ.get("TRAINJOB_FUZZ_SECONDS", "20"))
SEED = int(os.environ.get("TRAINJOB_FUZZ_SEED", "1"))
LEAST = 10
HALVES = 2


def problem_of(run: Program, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return how the job's value differs; empty if it does not, or if the program fails in the notebook."""
    notebook = Notebook(folder)
    monkeypatch.setitem(sys.modules, "__main__", notebook.module)
    try:
        for statements in run.before:
            notebook.run("\n".join(statements))
        path = notebook.put(notebook.capture("\n".join([*run.cell, run.value])))
    except (NameError, RecursionError, TypeError, AttributeError, SyntaxError, UnboundLocalError):
        return ""  # Not a program, as it is while one is made smaller.
    except UsageError as error:
        return "" if _lacks_a_name(run, notebook) else f"refused: {error}"
    ran = launch([sys.executable, str(path)], folder)
    try:
        exec("\n".join([*run.cell, f"_value_ = {run.value}"]), notebook.names)
    except Exception as error:  # noqa: BLE001 - then the job has to raise it as well
        errors = ran.bodies("error")
        same = bool(errors) and errors[0]["type"] == type(error).__name__ and errors[0]["message"] == str(error)
        return "" if same else f"here {error!r}, there {errors or ran.outcome}"
    if ran.code:
        return f"only the job fails: {ran.stderr}"
    classes = re.findall(r"^class (\w+)", "\n".join(run.cell), re.MULTILINE)
    return difference(notebook.names["_value_"], ran.result, created=classes)


def _lacks_a_name(run: Program, notebook: Notebook) -> bool:
    try:
        exec("\n".join([*run.cell, run.value]), notebook.names)
    except Exception as error:  # noqa: BLE001 - it may be any program
        return isinstance(error, NameError)
    return False


def smallest(run: Program, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Remove the statements that do not affect the difference, and return the program."""
    for cell in range(len(run.before)):
        for index in reversed(range(len(run.before[cell]))):
            less = tuple(
                statements[:index] + statements[index + 1 :] if number == cell else statements
                for number, statements in enumerate(run.before)
            )
            fewer = dataclasses.replace(run, before=less)
            run = fewer if problem_of(fewer, folder, monkeypatch) else run
    for index in reversed(range(len(run.cell))):
        fewer = dataclasses.replace(run, cell=run.cell[:index] + run.cell[index + 1 :])
        run = fewer if problem_of(fewer, folder, monkeypatch) else run
    return run


@pytest.mark.timeout(SECONDS + 200)
@pytest.mark.parametrize("half", range(HALVES))
def test_random_programs_give_equal_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: int) -> None:
    deadline, done = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline or done < LEAST:
        seed = SEED + HALVES * done + half
        run = program(seed)
        if problem := problem_of(run, tmp_path, monkeypatch):
            pytest.fail(f"seed {seed}: {problem}\n{smallest(run, tmp_path, monkeypatch)}")
        done += 1
    print(f"{done} programs, from seed {SEED + half}")
