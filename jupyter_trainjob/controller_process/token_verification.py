"""Verify service account tokens that pods present, with the API server's public keys.

Issuer and keys come from the API server's OpenID discovery. Upstream reads them at the URL of the issuer, which it
takes from the controller pod's own token, and which a process outside of the cluster cannot always reach.

Upstream: https://github.com/kubeflow/trainer/blob/v2.3.0/pkg/statusserver/auth.go, and go-oidc's ``IDTokenVerifier``
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from jupyter_trainjob import errors
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request

_log = logging.getLogger(__name__)

_DISCOVERY: Final = Request("GET", "/.well-known/openid-configuration")
_KEYS: Final = Request("GET", "/openid/v1/jwks", accept="application/jwk-set+json")
_ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
)
"""The asymmetric ones. A token signed with a public key as the secret of HS256 is refused."""
_NOT_BEFORE_LEEWAY: Final = 300
"""Seconds that the clocks of API server and controller may differ for a new token."""
_REFRESH_SECONDS: Final = 10.0
"""Shortest time between two requests for new keys: anybody can send tokens with unknown key ids."""


@dataclass(frozen=True)
class _Issuer:
    url: str
    algorithms: Collection[str]
    keys: KeySet


class TokenVerifier:
    """Verifies tokens of one API server. Thread-safe."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._lock = Lock()
        self._issuer: _Issuer | None = None
        self._read_at = 0.0

    def is_valid(self, token: str, *, audience: str, namespace: str) -> bool:
        """Return whether a token is for this audience, from a pod of this namespace, and not expired.

        Raises `errors.TrainJobError` if the API server's keys were never read and cannot be read now.
        """
        try:
            claims = self._verified_claims(token)
        except (JoseError, ValueError, TypeError) as error:
            _log.debug("a token is refused: %s", type(error).__name__)
            return False
        return self._are_current(claims) and _are_for(claims, audience=audience, namespace=namespace)

    def _verified_claims(self, token: str) -> dict[str, Any]:
        issuer = self._read_issuer()
        try:
            claims = _decode(token, issuer)
        except InvalidKeyIdError:
            # The API server may sign with a new key.
            claims = _decode(token, self._read_newer(issuer))
        if claims.get("iss") != issuer.url:
            raise ValueError("another issuer")
        return claims

    def _are_current(self, claims: dict[str, Any]) -> bool:
        now, expiry, not_before = self._clock(), claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(expiry, int | float) or not isinstance(not_before, int | float):
            return False
        return now <= expiry and not_before <= now + _NOT_BEFORE_LEEWAY

    def _read_issuer(self) -> _Issuer:
        with self._lock:
            if self._issuer is None:
                self._issuer = self._discover()
            return self._issuer

    def _read_newer(self, known: _Issuer) -> _Issuer:
        """Return the issuer with keys that are newer than the `known` ones; those if there are none."""
        with self._lock:
            if self._issuer in (None, known) and abs(self._clock() - self._read_at) >= _REFRESH_SECONDS:
                try:
                    self._issuer = self._discover()
                except errors.TrainJobError as error:
                    _log.warning("the public keys of service accounts cannot be read: %s", error)
            return self._issuer or known

    def _discover(self) -> _Issuer:
        self._read_at = self._clock()
        try:
            discovery = json.loads(self._client.raw(_DISCOVERY).read())
            key_set = json.loads(self._client.raw(_KEYS).read())
            signed_with = _ALGORITHMS.intersection(discovery.get("id_token_signing_alg_values_supported") or ())
            # go-oidc's default, of OpenID Connect.
            return _Issuer(str(discovery["issuer"]), sorted(signed_with) or ["RS256"], KeySet.import_key_set(key_set))
        except (JoseError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise errors.ClusterError(f"The API server's OpenID discovery cannot be used: {error!r}.") from error


def _decode(token: str, issuer: _Issuer) -> dict[str, Any]:
    return jwt.decode(token, issuer.keys, algorithms=list(issuer.algorithms)).claims


def _are_for(claims: dict[str, Any], *, audience: str, namespace: str) -> bool:
    audiences, pod = claims.get("aud"), claims.get("kubernetes.io")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        return False
    return isinstance(pod, dict) and pod.get("namespace") == namespace
