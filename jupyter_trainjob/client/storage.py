"""What to say of a job's folder before the job is sent: where there is none that outlives its pods, and the cell asks.

In: a capture. Out: a note for `submit`, which warns with it.
"""

from __future__ import annotations

import re

from jupyter_trainjob.bundle.capture import Capture

_ASKED = re.compile(r"\b(checkpoint_dir|output_dir)\s*\(")


def note(capture: Capture, *, shared: bool) -> str:
    """Return what is lost; nothing if jobs have a folder (`shared`), or neither the cell nor its functions use it."""
    texts = (capture.source, *(source.text for source in capture.sources.values()))
    asked = sorted({found.group(1) for text in texts for found in _ASKED.finditer(text)})
    if shared or not asked:
        return ""
    return (
        f"{' and '.join(f'{name}()' for name in asked)}: jobs on this cluster have no folder that outlives their pods, "
        "so what is written there is lost with the pod. Save to a volume of the runtime or to an object store instead."
    )
