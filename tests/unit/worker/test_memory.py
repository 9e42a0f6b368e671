"""Large values are in memory once on each side: measured as the peak of whole processes."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.unit.worker.conftest import KEY, clean

MEGABYTE = 2**20
SIZE = 128 * MEGABYTE
ROOM = SIZE // 2
"""What a process may take beyond the value and itself: far less than another copy."""

WAYS = {
    "an array": ("import numpy", f"numpy.ones({SIZE}, 'u1')", "value.sum()"),
    "a state_dict": (
        "import torch",
        f"torch.nn.Linear({SIZE // 4096}, 1024, bias=False).state_dict()",
        "value['weight'].shape[0]",
    ),
}
_SEND = """
    {library}
    import resource, sys
    from jupyter_trainjob.bundle.archive import archive
    from jupyter_trainjob.bundle.capture import capture_cell
    from pathlib import Path
    folder = Path(sys.argv[1])
    import cloudpickle
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    value = {make}
    capture = capture_cell("value", {{"value": value}}, filename="Cell [1]", place=lambda: folder)
    capture.payload.move_to(folder / "captures")
    (folder / "job.pyz").write_bytes(archive(capture, key={key!r}, job="job"))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
_RUN = """
    import resource, subprocess, sys
    subprocess.run([sys.executable, "-c", {library!r}], check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with open(sys.argv[1] + "/log", "wb") as log:
        subprocess.run([sys.executable, sys.argv[1] + "/job.pyz"], check=True, stdout=log)
    print((resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before) * 1024)
"""
_LOAD = """
    {library}
    import resource, sys
    from pathlib import Path
    from jupyter_trainjob.client import returned
    from jupyter_trainjob.worker.protocol import Assembler, decode
    folder, assembler = Path(sys.argv[1]), Assembler()
    frames = [decode(line) for line in (folder / "log").read_bytes().split(b"\\n")]
    messages = [assembler.feed(frame) for frame in frames if frame]
    body, = [message.body for message in messages if message and message.kind == "result"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    opener = lambda name: (folder / "job" / "results" / name).open("rb")
    value, _ = returned.load(body, key={key!r}, opener=opener)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
    assert {check}
"""


def peak(program: str, folder: Path, **parts: object) -> int:
    """Return how many bytes a process had more at its peak than before."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program).format(key=KEY, **parts), str(folder)],
        env=clean({"TRAINJOB_FOLDER": str(folder / "job"), "OMP_NUM_THREADS": "1"}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(("library", "make", "check"), WAYS.values(), ids=WAYS.keys())
def test_a_large_value_is_in_memory_once_where_it_is_sent_used_and_read(
    tmp_path: Path, library: str, make: str, check: str
) -> None:
    sent = peak(_SEND, tmp_path, library=library, make=make)
    assert SIZE - ROOM <= sent < SIZE + ROOM, "packed"
    assert (tmp_path / "captures").stat().st_size > SIZE
    assert SIZE - ROOM <= peak(_RUN, tmp_path, library=library) < SIZE + ROOM, "used and sent back"
    assert (tmp_path / "job" / "results" / "rank-0").stat().st_size > SIZE
    assert SIZE - ROOM <= peak(_LOAD, tmp_path, library=library, check=check) < SIZE + ROOM, "read"
