"""Training steps per second of one DistributedDataParallel loop, as a job with ``report()`` and under torchrun."""

from __future__ import annotations

from bench.jobs import cluster, run, torchrun
from bench.table import Row

RANKS = 2
STEPS = 400

_LOOP = f"""
import time
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
torch.manual_seed(0)
torch.set_num_threads(1)
model = DistributedDataParallel(torch.nn.Sequential(
    torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(64, 256), torch.randint(10, (64,))
for step in range({STEPS} + 50):
    if step == 50:
        dist.barrier()
        begun = time.perf_counter()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    REPORT
dist.barrier()
rate = {STEPS} / (time.perf_counter() - begun)
rank = dist.get_rank()
dist.destroy_process_group()
"""


def rows(repeat: int = 5) -> list[Row]:
    """Measure job and peer in turn, so that both have the same conditions."""
    ours, theirs = [], []
    with cluster():
        for _ in range(repeat):
            cell = _LOOP.replace("REPORT", f"report(step=step, total={STEPS + 50}, loss=loss.item())") + "\nrate"
            ours.append(float(run(cell, nodes=RANKS)))
            program = _LOOP.replace("REPORT", "loss.item()") + "\nif rank == 0: print(rate)"
            theirs.append(float(torchrun(program, processes=RANKS).split()[-1]))
    return [Row("training throughput, 2 ranks", ours, "steps/s", "≥ 0.99 ×", "torchrun", theirs, higher_is_better=True)]
