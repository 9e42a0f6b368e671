"""``successPolicy``: a Job that is done before all its indexes are (``matchSuccessPolicy``)."""

from __future__ import annotations

from collections.abc import Set

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.cluster.job import indexes


def met(job: Object, completed: Set[int]) -> str | None:
    """Return the message of the first rule that the completed indexes fulfil, or None."""
    if not completed:
        return None
    spec = job["spec"]
    for number, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        if _fulfilled(rule, completed, int(spec["completions"])):
            return f"Matched rules at index {number}"
    return None


def _fulfilled(rule: Object, completed: Set[int], completions: int) -> bool:
    count, text = rule.get("succeededCount"), rule.get("succeededIndexes")
    if text is None:
        return count is not None and len(completed) >= count
    wanted = indexes.parse(text, completions=completions)
    done = len(wanted & completed)
    return bool(wanted) and (done == len(wanted) or (count is not None and done >= count))
