"""Reruns of a job on this computer: equal random numbers, the record, the details, and the command."""

from __future__ import annotations

import pytest

from jupyter_trainjob.cli.main import main
from jupyter_trainjob.client.queries import get
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.magics.conftest import Shell

pytestmark = pytest.mark.timeout(180)
CELL = """%%trainjob drawn --nodes 2 --runtime plain
import random
import numpy as np
(random.random(), float(np.random.rand()), lr)"""


def test_rerun_draws_the_same_random_numbers(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("lr = 0.01")
    shell.run(CELL)
    first = shell.names["drawn"]
    numbers = first.results()
    assert numbers[0][:2] != numbers[1][:2], "each rank draws its own"
    shell.run("lr = 5")
    capsys.readouterr()

    assert main(["rerun", first.name]) == 0
    again = get(capsys.readouterr().out.strip())
    assert again.results() == numbers
    assert again.record["rerun_of"] == first.name
    assert again.record["seed"] == first.record["seed"]

    shell.run(f"%trainjob details {again.name}")
    output = capsys.readouterr().out
    assert "0.01" in output
    assert str(first.record["seed"]) in output
    assert f"{first.name} at " in output

    shell.run(CELL)
    assert shell.names["drawn"].results() != numbers, "a new job has a seed of its own"
