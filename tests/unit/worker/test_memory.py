"""Large values are in memory once while they are sent and received."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.unit.worker.conftest import KEY, clean
from tests.waiting import patience

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines how much a process allocates")

SIZE = 128 * 2**20
ROOM = SIZE // 2
"""What a process may take beyond the value and its libraries."""

WAYS = {
    "an array": ("import numpy", f"numpy.ones({SIZE}, 'u1')", "value.sum()"),
    "a state_dict": (
        "import torch",
        f"torch.nn.Linear({SIZE // 4096}, 1024, bias=False).state_dict()",
        "value['weight'].shape[0]",
    ),
}
_CONFINE = f"""
    {{library}}
    import cloudpickle, resource, runpy, sys
    from pathlib import Path
    from jupyter_trainjob.bundle.archive import build_archive
    from jupyter_trainjob.bundle.capture import capture_cell
    from jupyter_trainjob.client.results import result_reader
    from jupyter_trainjob.worker.protocol import Assembler, decode
    folder = Path(sys.argv[1])
    now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (int(now.split()[1]) * 1024 + {SIZE + ROOM},) * 2)
"""
_SEND = """
    value = {make}
    capture = capture_cell("value", {{"value": value}}, filename="Cell [1]", spill_dir=lambda: folder)
    capture.payload.move_to(folder / "captures")
    (folder / "job.pyz").write_bytes(build_archive(capture, key={key!r}, job="job"))
"""
_RUN = """
    runpy.run_path(str(folder / "job.pyz"), run_name="__main__")
"""
_LOAD = """
    assembler = Assembler()
    frames = [decode(line) for line in (folder / "log").read_bytes().split(b"\\n")]
    messages = [assembler.feed(frame) for frame in frames if frame]
    body, = [message.body for message in messages if message and message.kind == "result"]
    opener = lambda name: (folder / "job" / "results" / name).open("rb")
    value, *_ = result_reader.load_result(body, key={key!r}, opener=opener)
    assert {check}
"""
_COPY = """
    value = {make}
    another = cloudpickle.dumps(value)
"""


def confined(program: str, folder: Path, **parts: object) -> subprocess.CompletedProcess[bytes]:
    """Run a program with a memory limit that fits little more than one value."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_CONFINE + program).format(key=KEY, **parts), str(folder)],
        env=clean({"TRAINJOB_FOLDER": str(folder / "job"), "OMP_NUM_THREADS": "1"}),
        capture_output=True,
        timeout=patience(120),
        check=False,
    )


@pytest.mark.parametrize(("library", "make", "check"), WAYS.values(), ids=WAYS.keys())
def test_large_value_is_never_copied_in_memory(tmp_path: Path, library: str, make: str, check: str) -> None:
    for program, output in ((_SEND, "captures"), (_RUN, "job/results/rank-0"), (_LOAD, "log")):
        done = confined(program, tmp_path, library=library, make=make, check=check)
        assert done.returncode == 0, done.stderr.decode()
        if program is _RUN:
            (tmp_path / "log").write_bytes(done.stdout)
        assert (tmp_path / output).exists()


@pytest.mark.parametrize(("library", "make", "check"), WAYS.values(), ids=WAYS.keys())
def test_memory_limit_prevents_a_copy(tmp_path: Path, library: str, make: str, check: str) -> None:
    done = confined(_COPY, tmp_path, library=library, make=make, check=check)
    assert done.returncode == 1
    assert b"MemoryError" in done.stderr or b"alloc" in done.stderr
