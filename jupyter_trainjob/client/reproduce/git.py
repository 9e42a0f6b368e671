"""The state of the git repository around a notebook, for a job's record.

Git runs while the cell is packed: `start_git` returns at once, and all commands together may take `TIME` seconds.
Errors and missing answers leave the state out of the record. No program is started without a ``.git`` folder here or
above.
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

from jupyter_trainjob.bundle import credential_scan

TIME: Final = 2.0
"""Time limit for all git commands, in seconds."""
LARGEST: Final = 256 * 2**10
"""Maximum size of the stored diff, in bytes."""
# Override repository settings that run programs or prompt the user.
_GIT: Final = ("git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false")
_QUESTIONS: Final = {
    "status": ("status", "--porcelain=v2", "--branch", "--untracked-files=no"),
    "remote": ("config", "--get", "remote.origin.url"),
    "diff": ("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv"),
}


def start_git(folder: Path) -> Callable[[], dict[str, Any] | None]:
    """Start git on a thread; return a function that waits for the result: None without a repository or an answer."""
    if not any(os.path.lexists(parent / ".git") for parent in (folder, *folder.parents)):
        return lambda: None
    records: list[dict[str, Any] | None] = []
    until = time.monotonic() + TIME
    thread = threading.Thread(target=lambda: records.append(_read_git(folder, until)), name="trainjob-git", daemon=True)
    thread.start()

    def answer() -> dict[str, Any] | None:
        thread.join(max(0.0, until - time.monotonic()))
        return records[0] if records else None

    return answer


def read_answers(answers: dict[str, bytes]) -> dict[str, Any] | None:
    """Return the state of the repository from git's output; None if there is no commit."""
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
        "diff": credential_scan.mask_source(_text(diff[:LARGEST])),
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


def _read_git(folder: Path, until: float) -> dict[str, Any] | None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    running: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}
    answers: dict[str, bytes] = {}
    with contextlib.ExitStack() as files:
        try:
            for name, words in _QUESTIONS.items():
                # Files instead of pipes, which would have to be read concurrently.
                file: IO[bytes] = files.enter_context(tempfile.TemporaryFile())
                running[name] = (_program([*_GIT, "-C", str(folder), *words], file, environment), file)
            for name, (program, file) in running.items():
                program.wait(max(0.0, until - time.monotonic()))
                file.seek(0)
                answers[name] = file.read(LARGEST + 1)
        except (OSError, subprocess.SubprocessError):
            pass  # Report the details that are known so far.
        finally:
            for program, _ in running.values():
                if program.poll() is None:
                    program.kill()
                    program.wait()
    return read_answers(answers)


def _program(command: list[str], file: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL, env=environment)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
