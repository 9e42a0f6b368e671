"""Check the Python and package versions in a runtime's annotations against those that a job needs.

``jupyter-trainjob.org/python-version: "3.12"`` and ``jupyter-trainjob.org/packages: "torch==2.13.0 numpy==2.3"``, by
import names. Checked before anything is sent: in a pod the same would be an error some minutes later. On this computer
jobs run in the notebook's own Python, so only the presence of torch is checked.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
from collections.abc import Mapping

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.bundle.capture import Capture
from jupyter_trainjob.bundle.delivery import TORCHRUN, launch_command
from jupyter_trainjob.constants import PACKAGES_ANNOTATION, PYTHON_VERSION_ANNOTATION

_PACKAGE = re.compile(r"([\w.-]+)==([\w.+!-]+)")


def check_runtime(runtime: KubeObject, capture: Capture) -> str:
    """Return a note on minor differences of versions; raise `errors.UsageError` for major ones."""
    annotations = runtime["metadata"].get("annotations") or {}
    name = runtime["metadata"]["name"]
    _check_python(str(annotations.get(PYTHON_VERSION_ANNOTATION, "")), capture, name)
    packages = dict(_PACKAGE.findall(str(annotations.get(PACKAGES_ANNOTATION, ""))))
    notes = [_absent(capture, packages, name)] if packages else []
    for module in capture.modules:
        here, other = module.version, packages.get(module.name, "")
        if module.by_value or not here or not other or _release(here) == _release(other):
            continue
        difference = f"{module.name} {other}, the notebook has {here}"
        if _release(here)[0] != _release(other)[0]:
            raise errors.UsageError(
                f"The runtime {name!r} has {difference}: values of another major version may not be read there. Choose "
                f"a runtime with {module.name} {_release(here)[0]}, or install {module.name}=={other} here. Nothing "
                "was sent."
            )
        notes.append(f"The runtime {name!r} has {difference}.")
    return " ".join(filter(None, notes))


def check_launch(runtime: KubeObject) -> None:
    """Raise `errors.UsageError` for a runtime in which a job's program would run on the launcher only."""
    policy = runtime["spec"].get("mlPolicy") or {}
    for source, launcher in (("mpi", "mpirun"), ("flux", "Flux")):
        if policy.get(source) is not None:
            raise errors.UsageError(
                f"The runtime {runtime['metadata']['name']!r} starts its processes with {launcher}, which cells and "
                "functions do not support: they would run on the first node only. Choose another runtime, or create "
                f"a TrainJob whose spec.trainer.command calls {launcher} (kubectl create -f FILE). Nothing was sent."
            )


def check_local_runtime(runtime: KubeObject) -> str:
    """Raise `errors.UsageError` if the runtime uses torchrun and this computer's Python has no torch."""
    if launch_command(runtime) == TORCHRUN and "torch" not in sys.modules and importlib.util.find_spec("torch") is None:
        raise errors.UsageError(
            f"The runtime {runtime['metadata']['name']!r} starts a job with torchrun, and {sys.executable}, with which "
            "jobs run on this computer, has no torch. Install it there (pip install torch), or add --runtime plain "
            "(runtime='plain' of submit()) for a job that needs none. Nothing was sent."
        )
    return ""


def _absent(capture: Capture, packages: Mapping[str, str], runtime: str) -> str:
    """Return a note on the job's libraries that the runtime's list of packages lacks."""
    absent = sorted(
        module.name
        for module in capture.modules
        if module.version and not module.by_value and module.name not in packages
    )
    if not absent:
        return ""
    them = "is" if len(absent) == 1 else "are"
    return (
        f"The runtime {runtime!r} lists its packages, and {', '.join(absent)} {them} not among them: choose another "
        "with --runtime, or an image that has them with --image."
    )


def _check_python(version: str, capture: Capture, name: str) -> None:
    here = ".".join(platform.python_version_tuple()[:2])
    if version and capture.has_code and version.split(".")[:2] != here.split("."):
        raise errors.UsageError(
            f"The runtime {name!r} has Python {version}, the notebook has {here}, and functions or classes of the "
            f"notebook cannot be sent from one to the other. Choose a runtime with Python {here}, or define "
            "everything that the job needs in the cell that you send. Nothing was sent."
        )


def _release(version: str) -> list[str]:
    """Return the major and minor version."""
    return re.split(r"[.+]", version)[:2]
