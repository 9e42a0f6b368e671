"""Cells under ``torchrun``: two ranks, one collective, models and their optimizers."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from tests import needs

from .conftest import Notebook, Ran

needs.module("torch")

TORCHRUN = (str(Path(sys.executable).with_name("torchrun")), "--nnodes=1", "--nproc-per-node=2", "--standalone")

BEFORE = """
import torch
from torch import nn

width = 4

def block(n):
    return nn.Sequential(nn.Linear(n, width), nn.ReLU())

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = block(2)
        self.head = nn.Linear(width, 1)
    def forward(self, x):
        return self.head(self.body(x)) * scale

scale = 1.0
torch.manual_seed(1)
model = Net()
model.tied = model.head
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(16, 2), torch.randn(16, 1)
"""

CELL = """
import torch.distributed as dist
dist.init_process_group("gloo")
scale = 2.0
before = model(x).detach()
ddp = nn.parallel.DistributedDataParallel(model)
first = [p.clone() for p in model.parameters()]
for step in range(3):
    loss = nn.functional.mse_loss(ddp(x[dist.get_rank()::2]), y[dist.get_rank()::2])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    report(step=step, total=3, loss=loss, norm=sum(p.norm() for p in model.parameters()))
ranks = torch.ones(1)
dist.all_reduce(ranks)
print("rank", dist.get_rank(), "of", int(ranks))
moved = any((a != b).any() for a, b in zip(first, model.parameters()))
dist.destroy_process_group()
{"moved": bool(moved), "world": int(ranks), "tied": model.tied is model.head, "before": before, "model": model}
"""


def test_two_ranks_train_a_model_of_the_notebook(notebook: Notebook) -> None:
    notebook.run(BEFORE)
    ran = notebook.job(CELL, launcher=TORCHRUN, env={"OMP_NUM_THREADS": "1"})
    result = ran.result
    assert (result["moved"], result["world"], result["tied"]) == (True, 2, True)
    assert (result["before"] / notebook.names["model"](notebook.names["x"]) - 2).abs().max() < 1e-5
    assert type(result["model"]) is notebook.names["Net"]
    for rank in (0, 1):
        (start,) = ran.bodies("start", rank)
        assert start["world"] == 2
        batches = ran.bodies("metrics", rank)
        assert [step for batch in batches for step in batch["step"]] == [0, 1, 2]
        assert batches[-1]["total"] == 3
        assert ran.bodies("end", rank)[0]["ok"] is True
        assert f"rank {rank} of 2" in ran.stdout


def test_failing_rank_is_named_and_ends_the_job(notebook: Notebook) -> None:
    notebook.run("import torch\nfrom torch import nn\nlayer = nn.Linear(2, 3)")
    cell = """
        import os, time
        if os.environ["RANK"] == "0":
            time.sleep(30)
        layer(torch.zeros(1, 7))
    """
    ran: Ran = notebook.job(textwrap.dedent(cell), launcher=TORCHRUN, env={"OMP_NUM_THREADS": "1"})
    assert ran.code == 1
    (error,) = ran.bodies("error", 1)
    assert error["type"] == "RuntimeError"
    assert "mat1 and mat2" in error["message"]
    assert (error["where"], error["source"]) == ("Cell [12], line 5", "layer(torch.zeros(1, 7))")
    assert ran.bodies("error", 0) == []
    assert ran.bodies("end", 0)[0]["ok"] is False
