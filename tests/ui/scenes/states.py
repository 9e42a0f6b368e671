"""A job in each of its states."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from jupyter_trainjob.client.snapshot import Failure, LogLine, Phase, Snapshot, State
from jupyter_trainjob.constants import EMBEDDED_CONTEXT
from tests.ui.scenes.recorded import NOW, Recorded, Scene

HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\x1b[31m'
"""What a pod could print to take over a page or a terminal."""

TRACEBACK = """Traceback (most recent call last):
  File "Cell [12]", line 4, in <module>
    loss = F.cross_entropy(model(x), y[:-1])
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/site-packages/torch/nn/functional.py", line 3494, in cross_entropy
    return torch._C._nn.cross_entropy_loss(
ValueError: Expected input batch_size (32) to match target batch_size (31).
"""


def curves(*, ranks: int, steps: int, seed: int = 7) -> dict[str, list[float]]:
    """Return a loss that falls and an accuracy that rises, by rank."""
    chance = random.Random(seed)
    table: dict[str, list[float]] = {"rank": [], "time": [], "step": [], "loss": [], "accuracy": []}
    for rank in range(ranks):
        for step in range(0, steps, 8):
            share = step / 3600
            table["rank"].append(rank)
            table["time"].append(1e9 + step)
            table["step"].append(step)
            wave = 0.06 * math.sin(step / 90)
            table["loss"].append(2.1 * math.exp(-3.4 * share) + 0.16 + wave + chance.gauss(0, 0.05))
            table["accuracy"].append(0.98 - 0.85 * math.exp(-4.5 * share) + wave / 4 + chance.gauss(0, 0.012))
    return table


def lines(now: float, count: int) -> tuple[LogLine, ...]:
    """Return log lines of eight ranks."""
    words = (
        "epoch {0}  loss 0.{1:03d}  acc 0.9{0}{2}",
        "loader: {2} ms a batch",
        "epoch {0}  saved checkpoint to /trainjob/out/epoch-{0}.pt",
    )
    return tuple(
        LogLine(now - (count - i) * 1.3, (i * 5) % 8, words[i % 3].format(i % 10, (i * 37) % 1000, i % 7 + 9))
        for i in range(count)
    )


def scenes() -> dict[str, Scene]:
    """Return every state by name."""
    scenes_by_name = {name: Scene.of(job) for name, job in jobs().items()}
    return {
        **scenes_by_name,
        "queued-again": replace(scenes_by_name["queued"], before={"uid": "uid-before", "name": "digits-m3q8d"}),
    }


def jobs() -> dict[str, Recorded]:
    """Return a job in every state by name."""
    base = Snapshot(
        uid="uid-digits-x7k2p",
        name="digits-x7k2p",
        namespace="default",
        context=EMBEDDED_CONTEXT,
        state=State.QUEUED,
        runtime="torch-distributed",
        nodes=8,
        created=NOW - 3,
        phases=(Phase("queued", NOW - 3),),
    )
    started = NOW - 107
    running = replace(
        base,
        state=State.RUNNING,
        created=started,
        phases=(
            Phase("queued", started, started + 0.1),
            Phase("scheduling", started + 0.1, started + 0.2),
            Phase("preparing", started + 0.2, started + 0.3),
            Phase("starting", started + 0.3, started + 0.4),
            Phase("rendezvous", started + 0.4, started + 0.6),
            Phase("training", started + 0.6),
        ),
        step=2592,
        total=3600,
        eta=41.0,
        metrics={"loss": 0.3002, "accuracy": 0.9392},
        ranks_running=8,
        log=lines(NOW, 60),
    )
    done = tuple(Phase(p.name, p.started, p.ended or started + 151) for p in running.phases)
    training = curves(ranks=8, steps=2600)
    many = {f"grad_norm/layer{i}": [0.1 * i + x for x in training["loss"]] for i in range(8)}
    failure = Failure(
        "ValueError: Expected input batch_size (32) to match target batch_size (31).",
        rank=3,
        where="Cell [12], line 4",
        source="    loss = F.cross_entropy(model(x), y[:-1])",
        traceback=TRACEBACK,
        remedy="Your data does not divide by the batch size on the last step. Drop it with drop_last=True, or pad.",
        first="Rank 3 (of 0–7) failed first; of the other 7, 5 lost the connection to it, 2 were stopped.",
    )
    failed = replace(
        running,
        name="digits-m3q8d",
        state=State.FAILED,
        phases=(*done[:5], Phase("training", started + 0.6, started + 9)),
        finished=started + 9,
        step=118,
        eta=None,
        metrics={"loss": 2.115, "accuracy": 0.2596},
        reason="jobset failed due to one or more job failures (first failed job: digits-m3q8d-node-0)",
        failure=failure,
        log=lines(NOW, 9),
    )
    return {
        "queued": Recorded(
            replace(
                base,
                name="llama-lora-9fj2c",
                nodes=2,
                reason="0/1 nodes are available: 1 Insufficient nvidia.com/gpu. It needs 2, this computer has none.",
            ),
            {},
        ),
        "starting": Recorded(
            replace(
                base,
                state=State.STARTING,
                phases=(
                    Phase("queued", NOW - 3, NOW - 2.9),
                    Phase("scheduling", NOW - 2.9, NOW - 2.6),
                    Phase("preparing", NOW - 2.6),
                ),
                reason="Pulling image pytorch/pytorch:2.15.0-cuda13-cudnn9-runtime",
                ranks_running=3,
            ),
            {},
        ),
        "running": Recorded(running, training),
        "running-first-points": Recorded(
            replace(running, step=24, eta=None, metrics={"loss": 2.2}, log=lines(NOW, 2)),
            {name: column for name, column in curves(ranks=1, steps=30).items() if name != "accuracy"},
        ),
        "running-no-total": Recorded(
            replace(
                running,
                total=None,
                eta=None,
                context="gpu-cluster-eu-west",
                metrics={"loss": math.nan, **dict.fromkeys(many, 0.5123)},
                restarts=1,
                reason="attempt 1 failed: rank 3: RuntimeError: CUDA out of memory",
                warnings=(
                    "No process group: each of the 8 ranks trains its own copy.",
                    "loss is NaN since step 412.",
                ),
            ),
            {**training, **many},
        ),
        "complete": Recorded(
            replace(
                running, state=State.COMPLETE, phases=done, finished=started + 151, step=3600, eta=None, ranks_running=0
            ),
            curves(ranks=8, steps=3600),
        ),
        "failed": Recorded(failed, curves(ranks=8, steps=120)),
        "failed-killed": Recorded(
            replace(
                failed,
                failure=Failure(
                    "rank 3 was killed (exit code 137, SIGKILL)",
                    3,
                    remedy="Out of memory is the usual cause: ask for less data at once, fewer nodes, or more memory.",
                ),
                metrics={},
            ),
            {},
        ),
        "stopped": Recorded(
            replace(running, state=State.STOPPED, reason="stopped by jupyter-trainjob", eta=None, ranks_running=0),
            training,
        ),
        "suspended": Recorded(
            replace(
                base,
                name="nightly-0kq3z",
                state=State.SUSPENDED,
                created=NOW - 3_600,
                phases=(Phase("queued", NOW - 3_600),),
                reason="The queue research has no room: it is to be let in by Kueue.",
            )
        ),
        "deleted": Recorded(
            replace(
                running,
                state=State.DELETED,
                phases=(*done[:5], Phase("training", started + 0.6, NOW - 5)),
                finished=NOW - 5,
                eta=None,
                ranks_running=0,
                log=lines(NOW, 9),
            ),
            training,
        ),
        "hostile": Recorded(
            replace(
                failed,
                name=HOSTILE,
                runtime=HOSTILE,
                context=HOSTILE,
                failure=Failure(HOSTILE, 0, HOSTILE, HOSTILE, HOSTILE * 20, HOSTILE),
                phases=(Phase(HOSTILE, started, started + 1),),
                metrics={HOSTILE: 1.0, "loss": 0.5},
                log=tuple(LogLine(NOW, rank, HOSTILE * 3) for rank in range(4)),
            ),
            {**training, HOSTILE: training["loss"]},
        ),
    }
