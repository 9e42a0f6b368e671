"""Tokens of service accounts: signatures, claims, and the API server's keys as they change or cannot be read."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from jupyter_trainjob import errors
from jupyter_trainjob.controller_process.token_verification import TokenVerifier
from jupyter_trainjob.kube.client import Client
from jupyter_trainjob.kube.transport import Request, Response

from .api_answer import Answer

ISSUER = "https://issuer"
NOW = 1_000_000.0


class ApiServer:
    """Serves OpenID discovery; `keys` are those that it publishes."""

    def __init__(self, *keys: ECKey | RSAKey) -> None:
        self.keys = list(keys)
        self.algorithms: list[str] | None = ["ES256", "RS256"]
        self.away = False
        self.requests = 0

    def send(self, request: Request, *, timeout: float | None = None) -> Response:
        self.requests += 1
        if self.away:
            raise errors.ClusterError("away")
        if request.path == "/openid/v1/jwks":
            return Answer({"keys": [key.as_dict(private=False) for key in self.keys]})
        discovery: dict[str, Any] = {"issuer": ISSUER}
        return Answer(
            discovery
            if self.algorithms is None
            else {**discovery, "id_token_signing_alg_values_supported": self.algorithms}
        )


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def new_key() -> ECKey:
    key: ECKey = ECKey.generate_key("P-256")
    key.ensure_kid()
    return key


def sign(key: ECKey | RSAKey, algorithm: str = "ES256", **claims: Any) -> str:
    pod = {"kubernetes.io": {"namespace": "team"}}
    default = {"iss": ISSUER, "aud": ["other", "audience"], "exp": NOW + 60, "nbf": NOW, **pod}
    return jwt.encode({"alg": algorithm, "kid": key.kid}, {**default, **claims}, key, algorithms=[algorithm])


def sign_with_public_key(key: ECKey) -> str:
    """Return a token whose HS256 signature has the public key as its secret."""
    head = encode(json.dumps({"alg": "HS256", "kid": key.kid}).encode())
    signed = f"{head}.{sign(key).split('.')[1]}"
    return f"{signed}.{encode(hmac.digest(key.as_pem(private=False), signed.encode(), 'sha256'))}"


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def is_valid(verifier: TokenVerifier, token: str) -> bool:
    return verifier.is_valid(token, audience="audience", namespace="team")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_claims_decide(clock: Clock) -> None:
    key = new_key()
    verifier = TokenVerifier(Client(ApiServer(key)), clock=clock)
    for claims, expected in (
        ({}, True),
        ({"aud": "audience"}, True),
        ({"aud": ["audienc"]}, False),
        ({"aud": None}, False),
        ({"iss": "https://issuer/"}, False),
        ({"exp": NOW}, True),
        ({"exp": NOW - 1}, False),
        ({"exp": "never"}, False),
        ({"exp": None}, False),
        ({"nbf": NOW + 299}, True),
        ({"nbf": NOW + 301}, False),
        ({"nbf": "now"}, False),
        ({"kubernetes.io": {"namespace": "teams"}}, False),
        ({"kubernetes.io": "team"}, False),
    ):
        assert is_valid(verifier, sign(key, **claims)) is expected, claims


def test_algorithms_are_those_of_the_api_server(clock: Clock) -> None:
    key, rsa = new_key(), RSAKey.generate_key(2048)
    rsa.ensure_kid()
    server = ApiServer(key, rsa)
    verifier = TokenVerifier(Client(server), clock=clock)
    assert is_valid(verifier, sign(rsa, "RS256"))
    assert not is_valid(verifier, sign(rsa, "RS384"))
    confused = sign_with_public_key(key)
    assert not is_valid(verifier, confused)
    server.algorithms = ["HS256", "none"]
    symmetric = TokenVerifier(Client(server), clock=clock)
    assert not is_valid(symmetric, confused)
    server.algorithms = None
    assert is_valid(TokenVerifier(Client(server), clock=clock), sign(rsa, "RS256")), "the default of OpenID Connect"


def test_new_key_is_read_once_in_a_while(clock: Clock) -> None:
    old, new = new_key(), new_key()
    server = ApiServer(old)
    verifier = TokenVerifier(Client(server), clock=clock)
    assert is_valid(verifier, sign(old))
    server.keys.append(new)
    before = server.requests
    assert not is_valid(verifier, sign(new))
    assert server.requests == before, "the keys were read just now"
    clock.now += 11
    assert is_valid(verifier, sign(new))
    assert is_valid(verifier, sign(old))
    before = server.requests
    assert not any(is_valid(verifier, sign(new_key())) for _ in range(5))
    assert server.requests == before


def test_keys_that_cannot_be_read(clock: Clock) -> None:
    key = new_key()
    server = ApiServer(key)
    server.away = True
    verifier = TokenVerifier(Client(server), clock=clock)
    with pytest.raises(errors.ClusterError, match="away"):
        is_valid(verifier, sign(key))
    server.away = False
    assert is_valid(verifier, sign(key))
    server.away = True
    clock.now += 11
    assert is_valid(verifier, sign(key))
    assert not is_valid(verifier, sign(new_key())), "as upstream"


def test_discovery_without_keys_is_an_error(clock: Clock) -> None:
    with pytest.raises(errors.ClusterError, match="OpenID discovery"):
        is_valid(TokenVerifier(Client(ApiServer()), clock=clock), sign(new_key()))


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "e30.e30.e30", "a.b.c.d.e", "\u2028", "." * 100_000])
def test_garbage_is_refused(token: str, clock: Clock) -> None:
    assert not is_valid(TokenVerifier(Client(ApiServer(new_key())), clock=clock), token)
