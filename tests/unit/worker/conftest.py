"""Replacements for a notebook and a pod: cells run in a separate ``__main__``, jobs in a separate process."""

from __future__ import annotations

import dataclasses
import linecache
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from jupyter_trainjob.bundle.archive import build_archive
from jupyter_trainjob.bundle.capture import Capture, capture_cell
from jupyter_trainjob.client.results import result_reader
from jupyter_trainjob.worker.protocol import Assembler, Message, decode, loads
from tests.waiting import patience

KEY = b"k" * 32


@dataclasses.dataclass(frozen=True)
class Ran:
    """A job that has ended."""

    code: int
    raw: bytes
    stderr: str

    @property
    def messages(self) -> list[Message]:
        """Return the messages of all frames, in order."""
        assembler = Assembler()
        frames = [frame for line in self.raw.split(b"\n") if (frame := decode(line)) is not None]
        return [message for frame in frames if (message := assembler.feed(frame)) is not None]

    def bodies(self, kind: str, rank: int | None = None) -> list[Any]:
        """Return the bodies of all messages of a kind."""
        return [loads(m) for m in self.messages if m.kind == kind and rank in (None, m.rank)]

    @property
    def error(self) -> dict[str, Any]:
        """Return the body of the only error message."""
        (error,) = self.bodies("error")
        return dict(error)

    @property
    def outcome(self) -> tuple[Any, dict[str, Any]]:
        """Return the value and the names that came back."""
        (message,) = [message for message in self.messages if message.kind == "result" and message.rank == 0]
        result = result_reader.load_result(message.body, key=KEY)
        return result.value, result.out

    @property
    def result(self) -> Any:
        """Return the value that came back."""
        assert self.code == 0, self.stderr
        return self.outcome[0]

    @property
    def stdout(self) -> str:
        """Return the lines without frames, and without the empty line before each frame."""
        lines: list[bytes] = []
        for line in self.raw.split(b"\n"):
            if decode(line) is None:
                lines.append(line)
            elif lines and not lines[-1]:
                lines.pop()
        return b"\n".join(lines).decode()


class Notebook:
    """Runs cells as a kernel does, and sends them as jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = types.ModuleType("__main__")
        self.cells: dict[str, str] = {}

    @property
    def names(self) -> dict[str, Any]:
        """Return the notebook's namespace."""
        return self.module.__dict__

    def run(self, source: str) -> None:
        """Run a cell in this process."""
        number = len(self.cells) + 1
        filename = f"/tmp/ipykernel_0/{number}.py"
        self.cells[filename] = f"Cell [{number}]"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        exec(compile(source, filename, "exec", dont_inherit=True), self.names)

    def capture(self, source: str, out: Sequence[str] = ()) -> Capture:
        """Pack a cell."""
        return capture_cell(
            source, self.names, filename="Cell [12]", out=out, cells=self.cells, spill_dir=lambda: self.folder
        )

    def put(self, capture: Capture, *, compiled: bool = False) -> Path:
        """Write a job's files to a folder and return the path of its archive."""
        folder = self.folder / "trainjob"
        folder.mkdir(exist_ok=True)
        (folder / "job.pyz").write_bytes(build_archive(capture, key=KEY, job="job-abcde", compiled=compiled))
        for name, data in capture.payload.pieces():
            (folder / name).write_bytes(data)
        if not capture.payload.inline:
            capture.payload.move_to(folder / "captures")
        return folder / "job.pyz"

    def job(
        self,
        source: str,
        *,
        out: Sequence[str] = (),
        launcher: Sequence[str] = (sys.executable,),
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a cell as a job until it ends."""
        return launch([*launcher, str(self.put(self.capture(source, out)))], self.folder, env)


def launch(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run a command with a clean environment in an empty folder."""
    working_dir = folder / "work"
    working_dir.mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        cwd=working_dir,
        env=clean(env),
        capture_output=True,
        timeout=patience(60),
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def clean(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without the settings of this process."""
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "TMPDIR": tempfile.gettempdir()}
    return {**paths, "LC_ALL": "C", **(env or {})}


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    """Return a fresh notebook."""
    return Notebook(tmp_path)
