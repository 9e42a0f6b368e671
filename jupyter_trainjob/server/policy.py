"""What whoever runs the Jupyter server lets its users do here; the same for the routes and the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from jupyter_trainjob import errors
from jupyter_trainjob.client import context as contexts
from jupyter_trainjob.server import allowed


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The settings of ``c.TrainJobApp``."""

    SETTING: ClassVar = "trainjob_policy"

    contexts: tuple[str, ...] = ()
    """Names of the contexts that may be used; empty: all."""
    proxy: bool = True
    cluster_control: bool = True
    proxy_allows: Mapping[str, Sequence[str]] = field(default_factory=lambda: allowed.DEFAULT)

    def check(self, context: str | None) -> None:
        """Raise `errors.Forbidden` for a context that may not be used; None is the one of calls that name none."""
        name = context or contexts.chosen()
        if self.contexts and name not in self.contexts:
            raise _forbidden(
                f"This Jupyter server lets nobody use the context {name!r}: c.TrainJobApp.contexts allows "
                f"{', '.join(self.contexts)}. Choose one of these."
            )

    def check_control(self) -> None:
        """Raise `errors.Forbidden` where the embedded cluster is not to be started and stopped from here."""
        if not self.cluster_control:
            raise _forbidden(
                "This Jupyter server does not start or stop the embedded cluster: c.TrainJobApp.cluster_control is "
                "off. `jupyter trainjob cluster start` does, in a terminal."
            )

    def check_proxy(self, context: str, found: allowed.Asked | None) -> None:
        """Raise `errors.Forbidden` for a request that does not go through the proxy."""
        if not self.proxy:
            raise _forbidden("The proxy to the clusters is off: c.TrainJobApp.proxy. Use kubectl.")
        self.check(context)
        if why := allowed.refusal(found, self.proxy_allows):
            raise _forbidden(why)


EVERYTHING: Final = Policy()
"""What holds where nothing is set."""


def _forbidden(message: str) -> errors.Forbidden:
    return errors.Forbidden(403, "Forbidden", message)
