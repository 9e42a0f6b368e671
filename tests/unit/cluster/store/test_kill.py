"""Acknowledged writes survive kill -9."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_trainjob.cluster.store.object_store import Store

# Acknowledges each write on stdout only after the store has returned from it.
_WRITER = """
import sys
from pathlib import Path
from jupyter_trainjob.cluster.store.object_store import Store

store = Store(Path(sys.argv[1]), keep_changes=300)
number = 0
while True:
    number += 1
    name = f"p{number % 40}"
    entry = store.entry("pods", ("default", name))
    obj = {"metadata": {"namespace": "default", "name": name}, "number": number}
    write = store.delete if entry and number % 7 == 0 else store.put
    write("pods", obj, fields={}, expected=entry.id if entry else 0)
    print(store.version, write.__name__, name, number, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 60, 1400], ids=["at_once", "early", "after_compactions"])
def test_acknowledged_writes_survive_a_kill(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "store.db"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    lines += writer.stdout.readlines()
    writer.stdout.close()
    writer.wait()
    state: dict[str, tuple[int, int]] = {}
    last = 0
    for line in lines:
        if not line.endswith("\n"):
            continue
        version, verb, name, number = line.split()
        last = int(version)
        state.pop(name, None)
        if verb == "put":
            state[name] = (last, int(number))
    store = Store(path)
    # At most one write was committed but not yet acknowledged.
    assert last <= store.version <= last + 1
    changes, _ = store.changes("pods", last)
    for change in changes:
        state.pop(change.name, None)
    stored = {
        obj["metadata"]["name"]: (int(obj["metadata"]["resourceVersion"]), obj["number"])
        for obj in map(json.loads, store.page("pods").values)
        if int(obj["metadata"]["resourceVersion"]) <= last
    }
    assert stored == state
    store.close()
