"""Everything that a pod's program needs before it can start: volumes, env, names, port; then the shim's document.

In: the pod and what its node offers (`Host`). Out: `Prepared`. Raises what `waiting` describes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from jupyter_trainjob.api.resources import JOBSETS, Object, Resource
from jupyter_trainjob.cluster.agent import environment, network, volumes
from jupyter_trainjob.cluster.agent.isolation import Isolation
from jupyter_trainjob.cluster.agent.program import Program, build, container_of, substituted, termination_path
from jupyter_trainjob.cluster.agent.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.status import Extra
from jupyter_trainjob.cluster.agent.substitution import substitution
from jupyter_trainjob.constants import JOBSET_NAME, SUBSTITUTION_CONDITION
from jupyter_trainjob.kube.client import Client

HOSTS = "/etc/hosts"


@dataclass(frozen=True)
class Host:
    """What a node offers to its pods."""

    client: Client
    default_python: str
    isolation: Future[Isolation]
    ports: network.PortLeases
    cpus: int


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to start."""

    program: Program
    """As it is meant inside the pod; what may start warm is decided on this."""
    document: Object
    """What the shim reads."""
    condition: Extra | None


def prepare(pod: Object, box: Sandbox, host: Host) -> Prepared:
    """Lay out everything that `pod` needs in its folder."""
    namespace = pod["metadata"]["namespace"]
    own = network.address(namespace, network.qualified(pod))
    pod = {**pod, "status": {**(pod.get("status") or {}), "podIP": own, "hostIP": network.HOST_IP}}
    container = container_of(pod)
    look_up = _look_up(host.client, namespace)
    own_env = environment.of_container(pod, container, look_up)
    sources = volumes.lay_out(pod, box.volumes, look_up)
    peers = _peers(pod, host.client)
    program = build(
        pod,
        default_python=host.default_python,
        own_env=own_env,
        mounts=volumes.mounts(container, sources),
        port=host.ports.lease(network.lease_key(pod)),
        peers=len(peers),
        cpus=host.cpus,
    )
    names = {*peers, *network.mentioned(pod, [*program.argv, *program.env.values()])}
    isolation = host.isolation.result()
    if isolation.namespaces:
        box.hosts.write_text(network.hosts(pod, names, _host_file()))
        plan = _plan(container, program, box, isolation)
        return Prepared(program, program.document(plan), None)
    paths = {mount.target: mount.source for mount in program.mounts}
    addresses = {name: network.address(namespace, name) for name in names}
    local = substituted(program, substitution(paths, addresses), str(box.termination_log))
    condition = Extra(
        SUBSTITUTION_CONDITION,
        "NamespacesRefused",
        f"{isolation.refusal}: mountPaths and host names are replaced in command, args and env only",
    )
    return Prepared(program, local.document(None), condition)


def _host_file() -> str:
    return Path(HOSTS).read_text(errors="replace") if Path(HOSTS).exists() else ""


def _plan(container: Object, program: Program, box: Sandbox, isolation: Isolation) -> Object:
    mounts = [
        volumes.Mount(str(box.hosts), HOSTS),
        volumes.Mount(str(box.termination_log), termination_path(container)),
        *program.mounts,
    ]
    return {
        "root": str(box.root),
        "hostname": program.hostname,
        "user": isolation.user,
        "mounts": [mount.plan() for mount in mounts],
    }


def _peers(pod: Object, client: Client) -> list[str]:
    """Return the qualified names of the pods that belong together with this one, itself included."""
    metadata = pod["metadata"]
    name = (metadata.get("labels") or {}).get(JOBSET_NAME)
    jobset = client.find(JOBSETS, name, namespace=metadata["namespace"]) if name else None
    return network.peers(jobset) if jobset else [network.qualified(pod)]


def _look_up(client: Client, namespace: str) -> Callable[[Resource, str], Object | None]:
    """Return a look-up that asks the API once for each object: a pod sees one state of it."""
    seen: dict[tuple[str, str], Object | None] = {}

    def look_up(resource: Resource, name: str) -> Object | None:
        key = (resource.kind, name)
        if key not in seen:
            seen[key] = found = client.find(resource, name, namespace=namespace)
            if found is not None:
                found.setdefault("kind", resource.kind)
        return seen[key]

    return look_up
