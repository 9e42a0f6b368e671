"""The CEL rules of this project's custom resources, each with an equivalent Python predicate.

A real API server evaluates the text, which `api.overlay` puts into the CRDs; the embedded one looks up the predicate by
the text. So both reject the same objects without a CEL interpreter. The value passed to a rule is that at its place in
the schema; ``old`` is the previous value, None without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jupyter_trainjob import constants

_RFC1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+")
_MANAGERS: Final = (constants.MANAGED_BY_TRAINER, "kueue.x-k8s.io/multikueue")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its text for a real server, its predicate for the embedded one, and the error message."""

    cel: str
    message: str
    holds: Callable[[Any, Any], bool]

    @property
    def is_transition_rule(self) -> bool:
        """Return whether the rule compares with the old value (a transition rule)."""
        return "oldSelf" in self.cel

    def schema(self, message: str | None = None) -> dict[str, str]:
        """Return the entry for ``x-kubernetes-validations``."""
        return {"rule": self.cel, "message": message or self.message}


IMMUTABLE: Final = Rule("self == oldSelf", "field is immutable", lambda new, old: bool(new == old))
NAME_IS_A_LABEL: Final = Rule(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name must start with a lower-case letter and hold only lower-case letters, digits and '-' inside",
    lambda new, _: _RFC1035.fullmatch(new["metadata"].get("name") or "") is not None,
)
NAME_IS_SHORT: Final = Rule(
    "size(self.metadata.name) <= 63",
    "metadata.name must be no more than 63 characters",
    lambda new, _: len(new["metadata"].get("name") or "") <= 63,
)
URI_OR_EMPTY: Final = Rule(
    "self == '' || self.matches('^[A-Za-z][A-Za-z0-9+.-]*://.+$')",
    "storageUri must be empty or a URI (scheme://...)",
    lambda new, _: new == "" or _URI.fullmatch(new) is not None,
)
KNOWN_MANAGER: Final = Rule(
    f"self in ['{_MANAGERS[0]}', '{_MANAGERS[1]}']",
    f"managedBy must be {_MANAGERS[0]} or {_MANAGERS[1]} if set",
    lambda new, _: new in _MANAGERS,
)
HAS_UPDATE_TIME: Final = Rule(
    "has(self.lastUpdatedTime)",
    "lastUpdatedTime is required in a trainerStatus",
    lambda new, _: "lastUpdatedTime" in new,
)
ONE_POLICY: Final = Rule(
    "[has(self.torch), has(self.mpi), has(self.jax), has(self.xgboost), has(self.flux)].filter(x, x).size() <= 1",
    "only one of torch, mpi, jax, xgboost and flux can be set",
    lambda new, _: sum(policy in new for policy in ("torch", "mpi", "jax", "xgboost", "flux")) <= 1,
)
NOT_THE_MAIN_CONTAINER: Final = Rule(
    "!self.exists(c, c == 'node')",
    "containerNames must not hold node: that container gets the PET_* variables in any case",
    lambda new, _: constants.NODE_CONTAINER not in new,
)
AT_LEAST_ONE: Final = Rule("self >= 1", "numProcPerNode must be at least 1", lambda new, _: bool(new >= 1))
ORDER_OR_DEPENDENCIES: Final = Rule(
    "!(has(self.startupPolicy) && self.startupPolicy.startupPolicyOrder == 'InOrder'"
    " && has(self.replicatedJobs) && self.replicatedJobs.exists(x, has(x.dependsOn)))",
    "startupPolicy InOrder and dependsOn exclude each other",
    lambda new, _: (
        not (
            (new.get("startupPolicy") or {}).get("startupPolicyOrder") == "InOrder"
            and any("dependsOn" in job for job in new.get("replicatedJobs") or ())
        )
    ),
)
NO_CLAIM_NAMESPACE: Final = Rule(
    "!has(self.templates) || self.templates.all(t, !has(t.metadata) || !has(t.metadata.namespace)"
    " || size(t.metadata.namespace) == 0)",
    "the templates of volumeClaimPolicies cannot have a namespace",
    lambda new, _: not any((claim.get("metadata") or {}).get("namespace") for claim in new.get("templates") or ()),
)

BY_CEL: Final = {
    rule.cel: rule
    for rule in (
        IMMUTABLE,
        NAME_IS_A_LABEL,
        NAME_IS_SHORT,
        URI_OR_EMPTY,
        KNOWN_MANAGER,
        HAS_UPDATE_TIME,
        ONE_POLICY,
        NOT_THE_MAIN_CONTAINER,
        AT_LEAST_ONE,
        ORDER_OR_DEPENDENCIES,
        NO_CLAIM_NAMESPACE,
    )
}
"""Every rule by its text: what a schema names is found here."""
