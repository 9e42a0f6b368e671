"""The network of pods on one computer: host names, addresses in 127.0.0.0/8, and a rendezvous port per JobSet.

On Kubernetes each pod has its own address, and all may listen on port 29500. Here all pods share the computer's ports,
and a rendezvous store binds all addresses; so each attempt of a JobSet leases a free port, which replaces 29500 in
environment variables and arguments. A pod's address is a hash of its name: the addresses of all peers are known before
they run, and need not be stored. A collision is harmless, because frameworks use free ports for everything but the
rendezvous.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from jupyter_trainjob.api.resources import KubeObject
from jupyter_trainjob.constants import JOBSET_RESTART_ATTEMPT, JOBSET_UID, TRAINER_PORT

FIRST_PORT, LAST_PORT = 20_000, 31_999
"""Below the ephemeral ports of Linux and macOS."""
HOST_IP = "127.0.0.1"
PEERS_LIMIT = 1_000
"""Most peers in a pod's /etc/hosts: at most a few hundred pods run on one computer."""

_ENDPOINT = re.compile(rf"(?<=[\w.\]-]):{TRAINER_PORT}(?!\d)")


class PortLeases:
    """Leased ports by job, stored in a file for the next agent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ports: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._ports = json.loads(path.read_text())

    def lease(self, key: str) -> int:
        """Return the port of `key`, leasing one if it has none."""
        with self._lock:
            if key not in self._ports:
                self._ports[key] = _find_free_port(key, set(self._ports.values()))
                self._save()
            return self._ports[key]

    def release_others(self, keys: Iterable[str]) -> None:
        """Release all leases except those of `keys`."""
        with self._lock:
            released = set(self._ports) - set(keys)
            for key in released:
                del self._ports[key]
            if released:
                self._save()

    def _save(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._ports))
        part.replace(self._path)


def lease_key(pod: KubeObject) -> str:
    """Return the key of a pod's port lease: shared by an attempt of a JobSet, unique for a pod without one."""
    labels = pod["metadata"].get("labels") or {}
    uid = labels.get(JOBSET_UID) or pod["metadata"]["uid"]
    return f"{uid}/{labels.get(JOBSET_RESTART_ATTEMPT, '0')}"


def hostname(pod: KubeObject) -> str:
    """Return the pod's host name."""
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip(".-")


def qualified_name(pod: KubeObject) -> str:
    """Return ``hostname.subdomain``, or the host name alone."""
    subdomain = pod["spec"].get("subdomain")
    return f"{hostname(pod)}.{subdomain}" if subdomain else hostname(pod)


def kernel_hostname(pod: KubeObject) -> str:
    """Return the kernel's host name in a pod: the short one, or the FQDN with ``setHostnameAsFQDN``."""
    if pod["spec"].get("setHostnameAsFQDN") and pod["spec"].get("subdomain"):
        return f"{qualified_name(pod)}.{pod['metadata']['namespace']}.svc.cluster.local"
    return hostname(pod)


def pod_address(namespace: str, name: str) -> str:
    """Return the address of a pod by its qualified name; 127.0.0.1 on macOS, which has no other loopback address."""
    if sys.platform != "linux":
        return HOST_IP
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).digest()
    return f"127.{64 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"


def peer_names(jobset: KubeObject) -> list[str]:
    """Return the qualified names of the pods of a JobSet, at most `PEERS_LIMIT` of them."""
    name = jobset["metadata"]["name"]
    subdomain = (jobset["spec"].get("network") or {}).get("subdomain") or name
    names = (
        f"{name}-{job['name']}-{replica}-{index}.{subdomain}"
        for job in jobset["spec"].get("replicatedJobs") or ()
        for replica in range(int(job.get("replicas", 1)))
        for index in range(int(job["template"]["spec"].get("parallelism") or 1))
    )
    return list(islice(names, PEERS_LIMIT))


def mentioned_peers(pod: KubeObject, texts: Iterable[str]) -> set[str]:
    """Return the names of pods in the same subdomain that occur in `texts`."""
    subdomain = pod["spec"].get("subdomain")
    if not subdomain:
        return set()
    name = re.compile(rf"(?<![\w.-])[a-z0-9][a-z0-9-]*\.{re.escape(subdomain)}(?![\w-])")
    return {peer for text in texts for peer in name.findall(text)}


def hosts_file(pod: KubeObject, names: Iterable[str], host_file: str) -> str:
    """Return the pod's /etc/hosts: itself, its peers, then the other entries of the host's file."""
    namespace, own = pod["metadata"]["namespace"], qualified_name(pod)
    ordered = [own, *sorted(set(names) - {own})]
    lines = []
    for name in ordered:
        aliases = [f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}.svc", f"{name}.{namespace}", name]
        lines.append("\t".join([pod_address(namespace, name), *(aliases if "." in name else [name])]))
    lines[0] += f"\t{hostname(pod)}" if "." in own else ""
    own_names = {hostname(pod), *ordered}
    host_lines = [line for line in host_file.splitlines() if not own_names & set(line.split()[1:])]
    return "\n".join(["# Written by jupyter_trainjob for this pod", *lines, *host_lines, ""])


def replace_port(values: Mapping[str, str], port: int) -> dict[str, str]:
    """Return variables with 29500 replaced by the leased port: values of ``*_PORT`` names, and ``host:29500``.

    >>> replace_port({"MASTER_PORT": "29500", "URL": "tcp://a-0:29500", "STEPS": "29500"}, 20001)
    {'MASTER_PORT': '20001', 'URL': 'tcp://a-0:20001', 'STEPS': '29500'}
    """
    return {
        name: str(port)
        if name.endswith("_PORT") and value == str(TRAINER_PORT)
        else replace_endpoint_ports(value, port)
        for name, value in values.items()
    }


def replace_endpoint_ports(text: str, port: int) -> str:
    """Return `text` with the port in each ``host:29500`` replaced."""
    return _ENDPOINT.sub(f":{port}", text)


def _find_free_port(key: str, leased: set[int]) -> int:
    count = LAST_PORT - FIRST_PORT + 1
    start = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    for step in range(count):
        port = FIRST_PORT + (start + step) % count
        if port not in leased and _is_free_port(port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def _is_free_port(port: int) -> bool:
    for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - as the store binds
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((anywhere, port))
        except OSError as error:  # noqa: PERF203
            if family == socket.AF_INET or "in use" in str(error):
                return False
    return True
