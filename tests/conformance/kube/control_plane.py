"""A real API server on loopback: etcd and kube-apiserver, shared by all processes that use it.

`share` finds a running server in a folder or starts one, and keeps it running while its
context lasts. The file itself is the program of the keeper (``python control_plane.py FOLDER BIN TOKEN``), which owns
the two servers. Users hold a shared lock on ``users``; the keeper waits for the exclusive one, which the kernel grants
when the last user has ended, however it ended. The keeper in turn takes its servers with it.

No controllers run: the conformance suite compares bare API servers.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tests.waiting import patience

START_TIMEOUT: Final = patience(60)
CONTEXT: Final = "kubernetes"


@contextlib.contextmanager
def share(folder: Path, programs: Path) -> Iterator[Path]:
    """Yield the kubeconfig of the API server in `folder`; start it from `programs` if it does not run."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("wb") as users:
        with _held(folder / "starting"):
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for a keeper that is just ending its servers
            if not _is_kept(folder):
                _start_keeper(folder, programs)
        yield folder / "kubeconfig"


def _start_keeper(folder: Path, programs: Path) -> None:
    command = [sys.executable, __file__, str(folder), str(programs), secrets.token_urlsafe(16)]
    with (folder / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    # Reap the keeper if it ends before this process does.
    threading.Thread(target=keeper.wait, name="control-plane-reaper", daemon=True).start()
    assert keeper.stdout
    with keeper.stdout as output:
        if output.readline() != b"ready\n":
            logs = "\n".join(_tail(folder / f"{name}.log") for name in ("keeper", "etcd", "kube-apiserver"))
            raise RuntimeError(f"the control plane in {folder} did not start:\n{logs}")


def _is_kept(folder: Path) -> bool:
    with (folder / "keeper").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _keep(folder: Path, programs: Path, token: str) -> None:
    """Run the servers until the last user has ended."""
    with _held(folder / "keeper"), contextlib.ExitStack() as servers:
        port = _start_servers(folder, programs, token, servers)
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig(folder, port, token)))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        with _held(folder / "users"):
            pass
    shutil.rmtree(folder / "etcd", ignore_errors=True)


@dataclass(frozen=True)
class Servers:
    """The arguments of the two servers, and their ports."""

    etcd: tuple[str, ...]
    api_server: tuple[str, ...]
    etcd_port: int
    port: int


def configure(folder: Path, token: str) -> Servers:
    """Choose ports, and write what the servers read, into an existing folder."""
    store, peer, port = free_ports(3)
    _write_service_account_key(folder / "sa.key")
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    etcd = (
        f"--data-dir={folder}/etcd",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls=http://127.0.0.1:{store}",
        f"--advertise-client-urls=http://127.0.0.1:{store}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    )
    api_server = (
        f"--etcd-servers=http://127.0.0.1:{store}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}/certificates",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=RBAC",
        # Without controllers nobody makes the service accounts that it would ask for.
        "--disable-admission-plugins=ServiceAccount",
        f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        "--enable-priority-and-fairness=false",
    )
    return Servers(etcd, api_server, store, port)


def _start_servers(folder: Path, programs: Path, token: str, servers: contextlib.ExitStack) -> int:
    shutil.rmtree(folder / "etcd", ignore_errors=True)
    configured = configure(folder, token)
    servers.enter_context(running(folder, programs, "etcd", configured.etcd, one_thread=True))
    server = servers.enter_context(running(folder, programs, "kube-apiserver", configured.api_server, one_thread=True))
    wait_until_ready(configured.port, token, server)
    return configured.port


@contextlib.contextmanager
def running(
    folder: Path, programs: Path, name: str, arguments: tuple[str, ...], *, one_thread: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the context ends, which kills it. If this process has `one_thread`, it ends with it too."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [programs / name, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent if one_thread and sys.platform == "linux" else None,  # noqa: PLW1509
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_until_ready(port: int, token: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the API server answers; raise `RuntimeError` if it does not."""
    url = f"https://127.0.0.1:{port}/readyz"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    # Its certificate is not there yet when the first request is sent, and this one tells nothing.
    context = ssl._create_unverified_context()
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            with urllib.request.urlopen(request, timeout=patience(60), context=context):
                return
        except OSError as error:  # noqa: PERF203
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"kube-apiserver is not ready: {error}") from error
            time.sleep(0.1)


def kubeconfig(folder: Path, port: int, token: str) -> dict[str, object]:
    """Return the kubeconfig of an administrator; a `port` other than the API server's is a proxy's."""
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        # It signs for itself, and the file holds the authority that it made for that.
        "certificate-authority": f"{folder}/certificates/apiserver.crt",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
    }


def _write_service_account_key(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


@contextlib.contextmanager
def _held(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "\n".join([f"--- {log}", *lines])


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    _keep(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
