"""Credentials of the embedded cluster: a private CA, a server certificate, a token, and the kubeconfig.

kubectl sends bearer tokens only over TLS, hence the CA. The files are created once, readable by the user only, and
reused, so that a kubeconfig stays valid when the daemon is replaced.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_trainjob.constants import DEFAULT_NAMESPACE, EMBEDDED_CONTEXT

if TYPE_CHECKING:
    from cryptography import x509

_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Credentials:
    """Paths of the CA certificate, the server certificate and its key; and the bearer token."""

    ca: Path
    certificate: Path
    key: Path
    token: str


def ensure_credentials(folder: Path) -> Credentials:
    """Return the credentials in `folder`, creating those that are missing."""
    credentials = Credentials(folder / "ca.crt", folder / "tls.crt", folder / "tls.key", "")
    token_file = folder / "token"
    if not all(path.exists() for path in (credentials.ca, credentials.certificate, credentials.key)):
        _create_certificates(credentials)
    if not token_file.exists():
        write_private(token_file, secrets.token_urlsafe(32).encode())
    return Credentials(credentials.ca, credentials.certificate, credentials.key, token_file.read_text())


def render_kubeconfig(credentials: Credentials, *, port: int) -> bytes:
    """Return the kubeconfig (JSON is YAML) for the daemon on `port`."""
    ca = base64.b64encode(credentials.ca.read_bytes()).decode()
    name = EMBEDDED_CONTEXT
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": ca}}
        ],
        "users": [{"name": name, "user": {"token": credentials.token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": DEFAULT_NAMESPACE}}],
    }
    return json.dumps(config, indent=1).encode()


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, by atomic rename."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _create_certificates(files: Credentials) -> None:
    # Importing cryptography takes a tenth of a second, and is needed only here.
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = dt.datetime.now(dt.timezone.utc)
    period = (now - dt.timedelta(hours=1), now + dt.timedelta(days=_DAYS))

    def subject(common_name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        x509.CertificateBuilder(subject("jupyter-trainjob"), subject("jupyter-trainjob"), ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(period[0])
        .not_valid_after(period[1])
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(certificates=True), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    certificate = (
        x509.CertificateBuilder(ca.subject, subject("localhost"), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(period[0])
        .not_valid_after(period[1])
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The CA's key is not stored: no further certificate can be issued.
    write_private(files.key, private)
    write_private(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    write_private(files.ca, ca.public_bytes(serialization.Encoding.PEM))


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )
