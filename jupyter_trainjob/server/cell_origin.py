"""Find the notebook and the cell that sent a job.

A job's record has the path of its notebook on the machine that sent it. It is returned relative to the root folder of
the Jupyter server, and as the empty string if the notebook is not below that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_trainjob.server import cluster_routes

UNKNOWN = "It is not known which notebook sent this job: it was sent by a program, or its record is gone."
ELSEWHERE = "The notebook {} does not lie below the folder that this Jupyter server shows: open it where it is."


def read_origin(context: str | None, namespace: str, name: str, *, root: Path | None) -> dict[str, Any]:
    """Return the notebook's path below `root`, the cell's source, and ``why``. Raises `errors.NotFound`."""
    return origin_json(cluster_routes.find_job(context, namespace, name).record, root=root)


def origin_json(record: dict[str, Any], *, root: Path | None) -> dict[str, Any]:
    """Return the notebook's path below `root`, the cell's source, and ``why``, the reason if the path is empty."""
    notebook = record.get("notebook")
    source = (record.get("cell") or {}).get("source") or ""
    if not notebook:
        return {"notebook": "", "source": source, "why": UNKNOWN}
    path = relative_path(Path(notebook), root)
    return {"notebook": path, "source": source, "why": "" if path else ELSEWHERE.format(notebook)}


def relative_path(path: Path, root: Path | None) -> str:
    """Return the path of a file relative to `root`; empty if it is not an existing file below it."""
    if root is None:
        return ""
    for file, folder in ((path, root), (path.resolve(), root.resolve())):
        if file.is_absolute() and file.is_relative_to(folder) and ".." not in file.parts:
            return file.relative_to(folder).as_posix() if file.is_file() else ""
    return ""
