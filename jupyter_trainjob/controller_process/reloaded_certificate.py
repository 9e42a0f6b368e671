"""A TLS certificate that is read again when its files are renewed, as cert-manager and the kubelet do it."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from jupyter_trainjob import errors

_log = logging.getLogger(__name__)


class ReloadedCertificate:
    """Loads certificate and key into an SSL context, and again when the files have changed."""

    def __init__(self, context: ssl.SSLContext, folder: Path) -> None:
        self._context = context
        self._certificate, self._key = folder / "tls.crt", folder / "tls.key"
        self._stamp: tuple[int, ...] = ()

    def load(self) -> None:
        """Load the files; raises `errors.UsageError` if they cannot be read or do not fit."""
        try:
            stamp = self._current_stamp()
            self._context.load_cert_chain(self._certificate, self._key)
        except OSError as error:  # also ssl.SSLError
            raise errors.UsageError(f"{self._certificate} and tls.key beside it cannot be used: {error}.") from error
        self._stamp = stamp

    def load_if_changed(self) -> None:
        """Load renewed files; on failure, which is logged, the old certificate stays in use."""
        try:
            if self._current_stamp() != self._stamp:
                self.load()
                _log.info("loaded the renewed certificate %s", self._certificate)
        except (OSError, errors.UsageError) as error:
            _log.warning("the renewed certificate is not used: %s", error)

    def _current_stamp(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for path in (self._certificate, self._key))


def read_authority(folder: Path) -> str:
    """Return ``ca.crt`` of a folder, the authority of ``tls.crt``. Raises `errors.UsageError` if it has none."""
    path = folder / "ca.crt"
    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        raise errors.UsageError(f"The certificate authority {path} cannot be read: {error}.") from error
    if not text.strip():
        raise errors.UsageError(f"The certificate authority {path} is empty.")
    return text
