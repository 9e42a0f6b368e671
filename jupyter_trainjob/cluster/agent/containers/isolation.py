"""Detect whether this computer allows namespaces for pods."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from jupyter_trainjob.cluster.agent.shim import namespaces


@dataclass(frozen=True, slots=True)
class Isolation:
    """How programs are isolated. `refusal` is why there are no namespaces, empty if there are."""

    user: bool = False
    """Whether a user namespace is needed; root needs none, and keeps access to other users' files."""
    refusal: str = ""

    @property
    def namespaces(self) -> bool:
        """Return whether programs get namespaces."""
        return not self.refusal


def detect_isolation() -> Isolation:
    """Return the best isolation that the kernel permits, by trying it."""
    if sys.platform != "linux":
        return Isolation(refusal=f"{sys.platform} has no namespaces")
    refusal = ""
    for user in (False, True) if os.geteuid() == 0 else (True,):
        refusal = _try_namespaces(user=user)
        if not refusal:
            return Isolation(user=user)
    return Isolation(refusal=f"the kernel refuses namespaces to this user ({refusal})")


def _try_namespaces(*, user: bool) -> str:
    with tempfile.TemporaryDirectory(prefix="trainjob-") as folder:
        plan = json.dumps({"root": folder, "hostname": "probe", "user": user, "mounts": []})
        command = [sys.executable, "-I", "-S", namespaces.__file__, plan]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"
