"""The network of pods on one computer: names, addresses in 127.0.0.0/8, and one rendezvous port per JobSet.

On Kubernetes each pod has an address of its own and may listen on 29500 as its neighbour does. Here all pods share the
computer's ports, and a rendezvous store binds every address; so each attempt of a JobSet leases a free port that is
written over 29500 in env and arguments. A pod's address follows from its name alone: every pod knows all of its peers'
addresses before any of them runs, and nothing has to be kept. Two names with one address do no harm, since frameworks
take free ports for everything but the rendezvous.
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
from pathlib import Path

from jupyter_trainjob.api.resources import Object
from jupyter_trainjob.constants import JOBSET_RESTART_ATTEMPT, JOBSET_UID, TRAINER_PORT

FIRST_PORT, LAST_PORT = 20_000, 31_999
"""Below the ports that Linux and macOS hand to outgoing connections."""
HOST_IP = "127.0.0.1"

_ENDPOINT = re.compile(rf"(?<=[\w.\]-]):{TRAINER_PORT}(?!\d)")


class PortLeases:
    """Leased ports by job, kept in a file so that the next agent knows them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ports: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            self._ports = json.loads(path.read_text())

    def lease(self, key: str) -> int:
        """Return the port of `key`, the same one until it is released."""
        with self._lock:
            if key not in self._ports:
                self._ports[key] = _free_port(key, set(self._ports.values()))
                self._save()
            return self._ports[key]

    def keep(self, keys: Iterable[str]) -> None:
        """Release every lease but those of `keys`."""
        with self._lock:
            gone = set(self._ports) - set(keys)
            for key in gone:
                del self._ports[key]
            if gone:
                self._save()

    def _save(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._ports))
        part.replace(self._path)


def lease_key(pod: Object) -> str:
    """Return what shares one port: an attempt of a JobSet; a pod outside of JobSets is alone."""
    labels = pod["metadata"].get("labels") or {}
    uid = labels.get(JOBSET_UID) or pod["metadata"]["uid"]
    return f"{uid}/{labels.get(JOBSET_RESTART_ATTEMPT, '0')}"


def hostname(pod: Object) -> str:
    """Return the pod's host name."""
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63].rstrip(".-")


def qualified(pod: Object) -> str:
    """Return ``hostname.subdomain``, or the host name alone."""
    subdomain = pod["spec"].get("subdomain")
    return f"{hostname(pod)}.{subdomain}" if subdomain else hostname(pod)


def kernel_name(pod: Object) -> str:
    """Return what the kernel calls itself in a pod: the host name, or all of its name where the pod wants that."""
    if pod["spec"].get("setHostnameAsFQDN") and pod["spec"].get("subdomain"):
        return f"{qualified(pod)}.{pod['metadata']['namespace']}.svc.cluster.local"
    return hostname(pod)


def address(namespace: str, name: str) -> str:
    """Return the address of a pod by its qualified name; macOS has only one loopback address."""
    if sys.platform != "linux":
        return HOST_IP
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).digest()
    return f"127.{64 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"


def peers(jobset: Object) -> list[str]:
    """Return the qualified names of all pods of a JobSet."""
    name = jobset["metadata"]["name"]
    subdomain = (jobset["spec"].get("network") or {}).get("subdomain") or name
    return [
        f"{name}-{job['name']}-{replica}-{index}.{subdomain}"
        for job in jobset["spec"].get("replicatedJobs") or ()
        for replica in range(int(job.get("replicas", 1)))
        for index in range(int(job["template"]["spec"].get("parallelism") or 1))
    ]


def mentioned(pod: Object, texts: Iterable[str]) -> set[str]:
    """Return the names of pods of the same subdomain that occur in `texts`."""
    subdomain = pod["spec"].get("subdomain")
    if not subdomain:
        return set()
    name = re.compile(rf"(?<![\w.-])[a-z0-9][a-z0-9-]*\.{re.escape(subdomain)}(?![\w-])")
    return {found for text in texts for found in name.findall(text)}


def hosts(pod: Object, names: Iterable[str], host_file: str) -> str:
    """Return the pod's /etc/hosts: itself, its peers, then what the host's file says."""
    namespace, own = pod["metadata"]["namespace"], qualified(pod)
    ordered = [own, *sorted(set(names) - {own})]
    lines = []
    for name in ordered:
        aliases = [f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}.svc", f"{name}.{namespace}", name]
        lines.append("\t".join([address(namespace, name), *(aliases if "." in name else [name])]))
    lines[0] += f"\t{hostname(pod)}" if "." in own else ""
    taken = {hostname(pod), *ordered}
    rest = [line for line in host_file.splitlines() if not taken & set(line.split()[1:])]
    return "\n".join(["# Written by jupyter_trainjob for this pod", *lines, *rest, ""])


def with_port(values: Mapping[str, str], port: int) -> dict[str, str]:
    """Return env with the leased port: whole values of ``*_PORT`` names, and ``host:29500`` anywhere."""
    return {
        name: str(port) if name.endswith("_PORT") and value == str(TRAINER_PORT) else with_endpoint(value, port)
        for name, value in values.items()
    }


def with_endpoint(text: str, port: int) -> str:
    """Return `text` with the port of each ``host:29500`` replaced."""
    return _ENDPOINT.sub(f":{port}", text)


def _free_port(key: str, taken: set[int]) -> int:
    count = LAST_PORT - FIRST_PORT + 1
    start = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    for step in range(count):
        port = FIRST_PORT + (start + step) % count
        if port not in taken and _is_free(port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def _is_free(port: int) -> bool:
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
