"""Find runtime YAML files of the package and of administrators, in the paths of kernelspecs.

Files are ``trainjob/runtimes/*.yaml`` on Jupyter's data path: the user's folder precedes the environment's and the
system's, and the wheel installs the package's runtimes into the environment. In a checkout they are in ``runtimes/``.
The embedded cluster serves them as ClusterTrainingRuntimes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_trainjob import errors
from jupyter_trainjob.api.resources import CLUSTERTRAININGRUNTIMES, KubeObject
from jupyter_trainjob.api.schemas import crds, schema

_CHECKOUT = Path(__file__).parents[3] / "runtimes"


def runtime_folders() -> list[Path]:
    """Return the folders of runtimes, in the order of precedence."""
    from jupyter_core.paths import jupyter_path

    return [*(Path(folder) for folder in jupyter_path("trainjob", "runtimes")), _CHECKOUT]


def load_runtimes(search: list[Path] | None = None) -> list[KubeObject]:
    """Return the runtimes of all folders, each name once; raises `errors.UsageError` about an invalid file."""
    runtimes: dict[str, KubeObject] = {}
    for folder in runtime_folders() if search is None else search:
        for path in sorted(folder.glob("*.yaml")):
            runtime = read_runtime(path)
            runtimes.setdefault(runtime["metadata"]["name"], runtime)
    return list(runtimes.values())


def read_runtime(path: Path) -> KubeObject:
    """Return the runtime in a file; raises `errors.UsageError` for an invalid file."""
    import yaml

    try:
        # libyaml is ten times faster and missing from a few builds of PyYAML.
        runtime = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError) as error:
        raise _invalid_file_error(path, f"it cannot be read: {error}") from error
    problem = _problem(runtime)
    if problem:
        raise _invalid_file_error(path, problem)
    whole: KubeObject = runtime
    return whole


def _problem(runtime: Any) -> str | None:
    expected = CLUSTERTRAININGRUNTIMES
    if not isinstance(runtime, dict) or runtime.get("kind") != expected.kind:
        return f"it is not a {expected.kind}"
    if runtime.get("apiVersion") != expected.api_version:
        return f"its apiVersion must be {expected.api_version}"
    metadata = runtime.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        return "it has no metadata.name"
    error = next(schema.validate(crds.structural_schema(expected) or {}, runtime), None)
    return f"{error.field}: {error.message}" if error else None


def _invalid_file_error(path: Path, problem: str) -> errors.UsageError:
    return errors.UsageError(f"{path} is not a runtime: {problem}. Correct the file, or remove it.")
