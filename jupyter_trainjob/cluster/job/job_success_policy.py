"""``successPolicy``: complete a Job before all its indexes have completed (``matchSuccessPolicy``)."""

from __future__ import annotations

from collections.abc import Set

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.cluster.job import completion_indexes


def match_success_policy(job: KubeObject, completed: Set[int]) -> str | None:
    """Return the message of the first rule that the completed indexes match, or None."""
    if not completed:
        return None
    spec = job["spec"]
    for number, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        if _rule_matches(rule, completed, int(spec["completions"])):
            return f"Matched rules at index {number}"
    return None


def _rule_matches(rule: KubeObject, completed: Set[int], completions: int) -> bool:
    count, text = rule.get("succeededCount"), rule.get("succeededIndexes")
    if text is None:
        return count is not None and len(completed) >= count
    wanted = list(completion_indexes.parse_intervals(text, completions=completions))
    done = sum(any(index in run for run in wanted) for index in completed)
    total = sum(map(len, wanted))
    return bool(total) and (done == total or (count is not None and done >= count))
