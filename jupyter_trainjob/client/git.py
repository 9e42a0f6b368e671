"""The state of the git repository that a notebook lies in: what a job's record says of the code around its cell.

Runs beside the packing of a cell: `start` returns at once, and the look is given `TIME` in all. It never fails and
never waits longer: what is not known then is left out. Where no folder above has a ``.git``, no program is started.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit, urlunsplit

from jupyter_trainjob.bundle import credentials

TIME: Final = 2.0
"""Seconds that all of it may take."""
LARGEST: Final = 256 * 2**10
"""Bytes of the diff that are kept."""
# Settings of the repository could name programs, or wait for somebody: none of these here.
_GIT: Final = ("git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false")
_QUESTIONS: Final = {
    "status": ("status", "--porcelain=v2", "--branch", "--untracked-files=no"),
    "remote": ("config", "--get", "remote.origin.url"),
    "diff": ("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv"),
}


def start(folder: Path) -> Callable[[], dict[str, Any] | None]:
    """Begin to look; return what waits for the answer: None where there is no repository, or nothing is known."""
    if not any(os.path.lexists(each / ".git") for each in (folder, *folder.parents)):
        return lambda: None
    found: list[dict[str, Any] | None] = []
    until = time.monotonic() + TIME
    thread = threading.Thread(target=lambda: found.append(_look(folder, until)), name="trainjob-git", daemon=True)
    thread.start()

    def answer() -> dict[str, Any] | None:
        thread.join(max(0.0, until - time.monotonic()))
        return found[0] if found else None

    return answer


def described(answers: dict[str, bytes]) -> dict[str, Any] | None:
    """Return what git's answers say; None where there is no commit."""
    heads = dict(re.findall(r"^# branch\.(\w+) (.*)$", _text(answers.get("status", b"")), flags=re.MULTILINE))
    commit = heads.get("oid", "")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None
    diff = answers.get("diff", b"")
    branch = heads.get("head", "")
    return {
        "commit": commit,
        "branch": "" if branch == "(detached)" else branch,
        "remote": without_credentials(_text(answers.get("remote", b"")).strip()),
        "dirty": any(line and not line.startswith(b"#") for line in answers.get("status", b"").splitlines()),
        "diff": credentials.masked(_text(diff[:LARGEST])),
        "diff_cut": len(diff) > LARGEST,
    }


def without_credentials(url: str) -> str:
    """Return the URL of a remote without passwords and tokens; ``git@host:path`` has none."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _look(folder: Path, until: float) -> dict[str, Any] | None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    running: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}
    answers: dict[str, bytes] = {}
    with contextlib.ExitStack() as files:
        try:
            for name, words in _QUESTIONS.items():
                # Files, not pipes: nobody has to read three of them at once.
                file: IO[bytes] = files.enter_context(tempfile.TemporaryFile())
                running[name] = (_program([*_GIT, "-C", str(folder), *words], file, environment), file)
            for name, (program, file) in running.items():
                program.wait(max(0.0, until - time.monotonic()))
                file.seek(0)
                answers[name] = file.read(LARGEST + 1)
        except (OSError, subprocess.SubprocessError):
            pass  # What is known by now counts.
        finally:
            for program, _ in running.values():
                if program.poll() is None:
                    program.kill()
                    program.wait()
    return described(answers)


def _program(command: list[str], file: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL, env=environment)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
