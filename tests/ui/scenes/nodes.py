"""Nodes in every state, a few and very many."""

from __future__ import annotations

from dataclasses import replace

from jupyter_trainjob.client.snapshot import Gpu, Node, Rank, State, Usage
from jupyter_trainjob.feed.request_handlers import READS
from tests.ui.scenes.recorded import Recorded, Scene
from tests.ui.scenes.states import HOSTILE, jobs

GIB = 1 << 30


def node(index: int, *, slow: bool = False, procs: int = 1, gpus: int = 0) -> Node:
    """Return a running node with usage."""
    pace = 0.061 if slow else 0.038 + 0.0004 * (index * 7 % 5)
    return Node(
        index,
        f"digits-x7k2p-node-0-{index}-abcde",
        "this-computer",
        "Running",
        usage=Usage(
            0.0,
            0.6 + 0.05 * (index * 3 % 7),
            1.0,
            round((0.8 + 0.1 * (index % 4)) * GIB),
            2 * GIB,
            tuple(Gpu("NVIDIA H100", 0.97 - 0.1 * g, (61 + g) * GIB, 80 * GIB) for g in range(gpus)),
        ),
        ranks=tuple(Rank(index * procs + p, 2592, pace, slow and p == 0) for p in range(procs)),
    )


def every_state() -> tuple[Node, ...]:
    """Return a node in each state."""
    return (
        node(0),
        Node(1, "", "", "Waiting", "0/1 nodes are available: 1 Insufficient cpu. It needs 4, 2 are free."),
        Node(2, "digits-node-0-2", "gpu-a-17", "Starting", "Pulling image pytorch/pytorch:2.15.0-cuda13", restarts=1),
        replace(node(3), state="Failed", reason="OOMKilled", exit_code=137, restarts=2),
        replace(node(4), state="Succeeded", exit_code=0),
        Node(5, "digits-node-0-5", "gpu-a-17", "Stopped", exit_code=143, ranks=(Rank(5, 118, 0.038),)),
        Node(6, "digits-node-0-6", "gpu-b-02", "Gone", "The machine was drained."),
        replace(node(7), state="Failed", reason="ValueError: Expected input batch_size (32)", exit_code=1),
    )


def scenes() -> dict[str, Scene]:
    """Return scenes of node grids by name."""
    running = jobs()["running"]

    def of(pods: tuple[Node, ...], *, procs: int = 1) -> Scene:
        return _scene(
            replace(running, moment=replace(running.moment, nodes=len(pods), procs_per_node=procs, pods=pods))
        )

    hostile = replace(node(0), pod=HOSTILE, host=HOSTILE, state="Failed", reason=HOSTILE * 3)
    return {
        "nodes-8": of(tuple(node(i, slow=i == 5) for i in range(8))),
        "nodes-1": of((node(0),)),
        "nodes-12": of(tuple(node(i, slow=i == 10) for i in range(12))),
        "nodes-gpus": of(tuple(node(i, slow=i == 1, procs=4, gpus=4) for i in range(2)), procs=4),
        "nodes-64": of(tuple(node(i, slow=i in (5, 41)) for i in range(64))),
        "nodes-states": of(every_state()),
        "nodes-hostile": of((hostile, node(1))),
        "nodes-failed": _scene(
            replace(
                jobs()["failed"],
                moment=replace(jobs()["failed"].moment, state=State.FAILED, pods=every_state()),
            )
        ),
    }


def _scene(job: Recorded) -> Scene:
    """Answer the card's request for the times of restarts."""
    return Scene.of(job, answers={"clock": READS["clock"](job, {})})
