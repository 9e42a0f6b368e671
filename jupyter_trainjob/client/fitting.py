"""Does a runtime have what a job brings along? Only where it says what it has, in two annotations of its own.

``jupyter-trainjob.org/python-version: "3.12"`` and ``jupyter-trainjob.org/packages: "torch==2.13.0 numpy==2.3"``, by
the names that are imported. Asked before anything is sent: in a pod the same is an error some minutes later. On this
computer jobs run in the notebook's own Python, so there is nothing to compare; only torch has to be there at all.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from collections.abc import Mapping

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.bundle.capture import Capture
from jupyter_trainjob.bundle.delivery import TORCHRUN, launcher
from jupyter_trainjob.constants import PACKAGES_ANNOTATION, PYTHON_VERSION_ANNOTATION

_PACKAGE = re.compile(r"([\w.-]+)==([\w.+!-]+)")


def check(runtime: Object, capture: Capture) -> str:
    """Return what may not fit; empty if all that is stated does. Raises `errors.UsageError` for what cannot."""
    annotations = runtime["metadata"].get("annotations") or {}
    name = runtime["metadata"]["name"]
    _check_python(str(annotations.get(PYTHON_VERSION_ANNOTATION, "")), capture, name)
    there = dict(_PACKAGE.findall(str(annotations.get(PACKAGES_ANNOTATION, ""))))
    notes = [_absent(capture, there, name)] if there else []
    for module in capture.modules:
        here, other = module.version, there.get(module.name, "")
        if module.by_value or not here or not other or _release(here) == _release(other):
            continue
        told = f"{module.name} {other}, the notebook has {here}"
        if _release(here)[0] != _release(other)[0]:
            raise errors.UsageError(
                f"The runtime {name!r} has {told}: values of another major version may not be read there. Choose a "
                f"runtime with {module.name} {_release(here)[0]}, or install {module.name}=={other} here. Nothing was "
                "sent."
            )
        notes.append(f"The runtime {name!r} has {told}.")
    return " ".join(filter(None, notes))


def check_here(runtime: Object) -> str:
    """Check the same for this computer: raise `errors.UsageError` where torchrun is to start nodes, without torch."""
    if launcher(runtime) == TORCHRUN and "torch" not in sys.modules and importlib.util.find_spec("torch") is None:
        raise errors.UsageError(
            f"The runtime {runtime['metadata']['name']!r} starts a job with torchrun, and {sys.executable}, with which "
            "jobs run on this computer, has no torch. Install it there (pip install torch), or add --runtime plain "
            "(runtime='plain' of submit()) for a job that needs none. Nothing was sent."
        )
    return ""


def _absent(capture: Capture, there: Mapping[str, str], runtime: str) -> str:
    """Say which libraries a runtime that lists its own does not have."""
    absent = sorted(
        each.name for each in capture.modules if each.version and not each.by_value and each.name not in there
    )
    if not absent:
        return ""
    them = "is" if len(absent) == 1 else "are"
    return (
        f"The runtime {runtime!r} lists its packages, and {', '.join(absent)} {them} not among them: choose another "
        "with --runtime, or an image that has them with --image."
    )


def _check_python(there: str, capture: Capture, name: str) -> None:
    here = ".".join(platform.python_version_tuple()[:2])
    if there and capture.has_code and there.split(".")[:2] != here.split("."):
        raise errors.UsageError(
            f"The runtime {name!r} has Python {there}, the notebook has {here}, and functions or classes of the "
            f"notebook cannot travel between the two. Choose a runtime with Python {here}, or define everything that "
            "the job needs inside the cell. Nothing was sent."
        )


def _release(version: str) -> list[str]:
    """Return major and minor."""
    return re.split(r"[.+]", version)[:2]
