"""Access policy set by the administrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from jupyter_trainjob import errors
from jupyter_trainjob.client import context as contexts
from jupyter_trainjob.server import proxy_rules


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The settings of ``c.TrainJobApp``."""

    SETTING: ClassVar = "trainjob_policy"

    contexts: tuple[str, ...] = ()
    """Names of the allowed contexts; empty: all."""
    proxy: bool = True
    cluster_control: bool = True
    proxy_allows: Mapping[str, Sequence[str]] = field(default_factory=lambda: proxy_rules.DEFAULT)

    def check_context(self, context: str | None) -> None:
        """Raise `errors.Forbidden` for a context that is not allowed; None is the default context."""
        name = context or contexts.chosen_context()
        if self.contexts and name not in self.contexts:
            raise _forbidden(
                f"This Jupyter server does not allow the context {name!r}: c.TrainJobApp.contexts allows "
                f"{', '.join(self.contexts)}. Choose one of these."
            )

    def check_cluster_control(self) -> None:
        """Raise `errors.Forbidden` if users may not start and stop the embedded cluster."""
        if not self.cluster_control:
            raise _forbidden(
                "This Jupyter server does not start or stop the embedded cluster: c.TrainJobApp.cluster_control is "
                "off. `jupyter trainjob cluster start` does, in a terminal."
            )

    def check_proxy(self, context: str, request: proxy_rules.ResourceRequest | None) -> None:
        """Raise `errors.Forbidden` for a request that the proxy does not forward; None is no request of the API."""
        if not self.proxy:
            raise _forbidden("The proxy to the clusters is off: c.TrainJobApp.proxy. Use kubectl.")
        self.check_context(context)
        if reason := proxy_rules.refusal_reason(request, self.proxy_allows):
            raise _forbidden(reason)


UNRESTRICTED: Final = Policy()
"""The policy without settings."""


def _forbidden(message: str) -> errors.Forbidden:
    return errors.Forbidden(403, "Forbidden", message)
