"""The runtimes that come with us or that an administrator adds: YAML files, found as kernelspecs are.

Every ``*.yaml`` in a folder ``trainjob/runtimes`` on Jupyter's data path counts, the user's before the environment's
before the system's; the wheel installs ours there. In a checkout they lie in ``runtimes/`` at its top. The embedded
cluster serves them as ClusterTrainingRuntimes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api import crds, schema
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, Object

_CHECKOUT = Path(__file__).parents[2] / "runtimes"


def folders() -> list[Path]:
    """Return the folders in which runtimes are looked for, the first to win."""
    from jupyter_core.paths import jupyter_path

    return [*(Path(folder) for folder in jupyter_path("trainjob", "runtimes")), _CHECKOUT]


def find(search: list[Path] | None = None) -> list[Object]:
    """Return the runtimes of all folders, each name once; `errors.UsageError` names a file that is broken."""
    found: dict[str, Object] = {}
    for folder in folders() if search is None else search:
        for path in sorted(folder.glob("*.yaml")):
            runtime = read(path)
            found.setdefault(runtime["metadata"]["name"], runtime)
    return list(found.values())


def read(path: Path) -> Object:
    """Return the runtime that a file describes; `errors.UsageError` says what is wrong with the file."""
    import yaml

    try:
        # libyaml is ten times faster and missing from a few builds of PyYAML.
        runtime = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError) as error:
        raise _broken(path, f"it cannot be read: {error}") from error
    problem = _problem(runtime)
    if problem:
        raise _broken(path, problem)
    whole: Object = runtime
    return whole


def _problem(runtime: Any) -> str | None:
    wanted = CLUSTERTRAININGRUNTIMES
    if not isinstance(runtime, dict) or runtime.get("kind") != wanted.kind:
        return f"it is not a {wanted.kind}"
    if runtime.get("apiVersion") != wanted.api_version:
        return f"its apiVersion must be {wanted.api_version}"
    metadata = runtime.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return "it has no metadata.name"
    broken = next(schema.check(crds.schema(wanted) or {}, runtime), None)
    return f"{broken.field}: {broken.message}" if broken else None


def _broken(path: Path, problem: str) -> errors.UsageError:
    return errors.UsageError(f"{path} is not a runtime: {problem}. Correct the file, or remove it.")
