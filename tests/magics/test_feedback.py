"""Output of a cell until its job is created: the steps of a submission, and Ctrl-C during them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jupyter_trainjob
from jupyter_trainjob.api.resources import SECRETS
from jupyter_trainjob.client import context
from jupyter_trainjob.client.job_lookup import read_snapshot
from jupyter_trainjob.client.snapshot import State
from jupyter_trainjob.cluster.state.state_dir import StateDir
from tests.embedded import embedded_cluster
from tests.magics.conftest import Shell
from tests.unit.widget.kernels import VIEW, Kernel, start_kernel
from tests.waiting import patience, wait_for

pytestmark = pytest.mark.timeout(180)

ENDLESS = "%%trainjob again --runtime plain\nimport time\nfor i in range(10_000): time.sleep(0.05); report(step=i)"


@pytest.fixture
def front() -> Iterator[Kernel]:
    with start_kernel() as kernel:
        kernel.run("%load_ext jupyter_trainjob")
        yield kernel


def held(gate: Path) -> str:
    """Return a cell with a value whose pickling waits until a file exists."""
    return (
        "import pathlib, time\n"
        "class Held:\n"
        "    def __reduce__(self):\n"
        f"        while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "        return int, (7,)\n"
        "held = Held()"
    )


def steps(kernel: Kernel) -> Iterator[dict[str, Any]]:
    """Yield the outputs of the cell, up to the view of its job."""
    kinds = ("display_data", "update_display_data")
    while True:
        content = kernel.wait_for(lambda m: m["msg_type"] in kinds)["content"]
        yield content
        if VIEW in content["data"]:
            return


@pytest.mark.journey
def test_card_is_shown_before_packing_and_replaced_by_the_view(
    cluster: StateDir, front: Kernel, tmp_path: Path
) -> None:
    front.run(held(tmp_path / "gate"))
    front.run("%%trainjob early --runtime plain\nheld")
    shown = steps(front)
    first = next(shown)
    assert first["data"]["text/plain"] == "early · Packing"
    assert "Packing" in first["data"]["text/html"]
    (tmp_path / "gate").touch()
    *rest, view = shown
    texts = [item["data"]["text/plain"] for item in rest]
    assert texts[-1].endswith("→ Sending → Queued")
    assert any("Packing 1 name, " in item for item in texts)
    assert "early-" in view["data"]["text/plain"]
    places = {item["transient"]["display_id"] for item in (first, *rest, view)}
    assert len(places) == 1, "all in the place of the first"


def test_ctrl_c_while_packing_sends_nothing(cluster: StateDir, front: Kernel, tmp_path: Path) -> None:
    before = {secret["metadata"]["uid"] for secret in context.connect().client.list(SECRETS).items}
    front.run(held(tmp_path / "never"))
    front.run("%%trainjob interrupted --runtime plain\nheld")
    assert "Packing" in next(steps(front))["data"]["text/plain"]
    front.interrupt()
    assert refused(front) == ("interrupted · Not sent", "NotSent", "Interrupted: nothing was sent.")
    assert [job.name for job in jupyter_trainjob.list_jobs() if job.name.startswith("interrupted")] == []
    assert {secret["metadata"]["uid"] for secret in context.connect().client.list(SECRETS).items} <= before


@pytest.mark.journey
def test_ctrl_c_while_the_cluster_starts_sends_nothing(tmp_path: Path) -> None:
    with embedded_cluster(tmp_path / "state") as state, start_kernel() as front:
        front.run("%load_ext jupyter_trainjob")
        with state.create().launch_lock.open("ab") as lock:  # The start lasts until the cell was interrupted.
            fcntl.flock(lock, fcntl.LOCK_EX)
            front.run("%%trainjob cold --runtime plain\n1")
            shown = steps(front)
            while "Starting the cluster" not in next(shown)["data"]["text/plain"]:
                pass
            front.interrupt()
            assert refused(front)[1] == "NotSent"
        front.run("%%trainjob cold --runtime plain\n1")
        *_, view = steps(front)
        assert "cold-" in view["data"]["text/plain"]
        assert len(jupyter_trainjob.list_jobs()) == 1


def test_card_of_a_rejected_cell_shows_the_error(cluster: StateDir, front: Kernel) -> None:
    front.run("%%trainjob wrong --runtime plane\n1")
    assert "Packing" in next(steps(front))["data"]["text/plain"]
    shown, name, _ = refused(front)
    assert (shown, name) == ("wrong · Not sent", "UsageError")


def refused(kernel: Kernel) -> tuple[str, str, str]:
    """Return the text of the last output, and the name and message of the cell's error."""
    shown = ""
    while True:
        message = kernel.client.get_iopub_msg(timeout=patience(60))
        if message["msg_type"] == "update_display_data":
            shown = message["content"]["data"]["text/plain"]
        if message["msg_type"] == "error":
            return shown, message["content"]["ename"], message["content"]["evalue"]
        if message["msg_type"] == "stream" and "UsageError" in message["content"]["text"]:
            return shown, "UsageError", message["content"]["text"]


def test_repeated_cell_offers_to_stop_its_running_job(cluster: StateDir, front: Kernel) -> None:
    front.run(ENDLESS)
    first = front.wait_for_view()["data"]["application/vnd.jupyter-trainjob.v1+json"]
    front.run(ENDLESS)
    opened = front.wait_for(
        lambda m: m["msg_type"] == "comm_open" and bool((m["content"]["data"].get("state") or {}).get("before"))
    )
    assert opened["content"]["data"]["state"]["before"] == {"uid": first["uid"], "name": first["name"]}
    front.send_message(
        opened["content"]["comm_id"], {"kind": "ask", "id": "1", "job": first["uid"], "what": "stop", "args": {}}
    )
    assert front.wait_for_message("answer", id="1")["ok"]
    assert read_snapshot(first["name"]).state is State.STOPPED
    front.run("again.delete()")
    jupyter_trainjob.get(first["name"]).delete()


def test_cell_with_replace_stops_its_previous_job(
    cluster: StateDir, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run(ENDLESS)
    first = shell.names["again"]
    shell.run(ENDLESS)
    second = shell.names["again"]
    output = capsys.readouterr().out
    assert f"{first.name}, the previous job of again, still runs: `%trainjob stop {first.name}` stops it." in output
    shell.run(ENDLESS.replace("again", "again --replace", 1))
    assert read_snapshot(second.name).state is State.STOPPED
    assert "still runs" not in capsys.readouterr().out
    wait_for(lambda: shell.names["again"].status() == State.RUNNING)
    for job in (first, second, shell.names["again"]):
        job.delete()
