"""Where a job was sent from: the notebook, as this server's users open it, and the cell's text.

What the job's record says is a path of the machine that it was sent on; what comes out is the path below the server's
own folder, or nothing where the notebook does not lie there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_trainjob.server import clusters

UNKNOWN = "It is not known which notebook sent this job: it was sent by a program, or its record is gone."
ELSEWHERE = "The notebook {} does not lie below the folder that this Jupyter server shows: open it where it is."


def of(context: str | None, namespace: str, name: str, *, root: Path | None) -> dict[str, Any]:
    """Return the notebook below `root`, the cell's text, and why there is none. Raises `errors.NotFound`."""
    return placed(clusters.job(context, namespace, name).record, root=root)


def placed(found: dict[str, Any], *, root: Path | None) -> dict[str, Any]:
    """Return what a job's record says, as a page can use it."""
    named = found.get("notebook")
    source = (found.get("cell") or {}).get("source") or ""
    if not named:
        return {"notebook": "", "source": source, "why": UNKNOWN}
    path = below(Path(named), root)
    return {"notebook": path, "source": source, "why": "" if path else ELSEWHERE.format(named)}


def below(path: Path, root: Path | None) -> str:
    """Return the path of a file as the contents of `root` call it; empty where it is not there."""
    if root is None:
        return ""
    for file, folder in ((path, root), (path.resolve(), root.resolve())):
        if file.is_absolute() and file.is_relative_to(folder) and ".." not in file.parts:
            return file.relative_to(folder).as_posix() if file.is_file() else ""
    return ""
