"""Everything that a program needs before it can start: what its pod's containers share, then what is its own.

In: the pod and what its node offers (`Host`). `lay_out` makes the volumes and leases the port, once for a pod;
`prepare` makes a container's program and the document of its shim. Both raise what `waiting` describes.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_trainjob.api.resources import JOBSETS, Object, Resource
from jupyter_trainjob.cluster.agent import environment, network, volumes
from jupyter_trainjob.cluster.agent.contents import Asker
from jupyter_trainjob.cluster.agent.isolation import Isolation
from jupyter_trainjob.cluster.agent.means import Means
from jupyter_trainjob.cluster.agent.program import Program, build, substituted, termination_path
from jupyter_trainjob.cluster.agent.run import Run
from jupyter_trainjob.cluster.agent.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.status import Extra
from jupyter_trainjob.cluster.agent.substitution import substitution
from jupyter_trainjob.cluster.agent.waiting import LookUp
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
    means: Means


@dataclass(frozen=True)
class Place:
    """What the containers of a pod share."""

    pod: Object
    """With its addresses in its status, for the downward API."""
    box: Sandbox
    sources: dict[str, volumes.Source]
    port: int
    peers: list[str]
    names: set[str] = field(default_factory=set)
    """The names that /etc/hosts knows so far."""


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to start."""

    program: Program
    """As it is meant inside the pod; what may start warm is decided on this."""
    document: Object
    """What the shim reads."""
    condition: Extra | None


def lay_out(pod: Object, box: Sandbox, host: Host, look_up: LookUp) -> Place:
    """Make what the containers of `pod` share."""
    namespace = pod["metadata"]["namespace"]
    own = network.address(namespace, network.qualified(pod))
    pod = {**pod, "status": {**(pod.get("status") or {}), "podIP": own, "hostIP": network.HOST_IP}}
    box.create(pod)
    asker = Asker(pod, look_up, host.means.allocatable)
    sources = volumes.lay_out(asker, volumes.Shelf(box.volumes, host.means.claims))
    port = host.ports.lease(network.lease_key(pod))
    return Place(pod, box, sources, port, _peers(pod, host.client))


def prepare(place: Place, container: Object, run: Run, host: Host, look_up: LookUp) -> Prepared:
    """Make everything that one container needs, in the folder of its run."""
    pod = place.pod
    namespace = pod["metadata"]["namespace"]
    own_env = environment.of_container(Asker(pod, look_up, host.means.allocatable), container)
    program = build(
        pod,
        container,
        default_python=host.default_python,
        own_env={**host.means.env(pod, container), **own_env},
        mounts=volumes.mounts(container, place.sources, own_env),
        port=place.port,
        peers=len(place.peers),
        cpus=host.cpus,
    )
    names = {*place.peers, *network.mentioned(pod, [*program.argv, *program.env.values()])}
    isolation = host.isolation.result()
    run.create()
    limits = host.means.limits(pod, container, run)
    if isolation.namespaces:
        _write_hosts(place, names)
        document = program.document(_plan(container, program, place, run, isolation), limits)
        return Prepared(program, document, None)
    paths = {mount.target: mount.source for mount in program.mounts}
    # A name without a dot is any word.
    addresses = {name: network.address(namespace, name) for name in names if "." in name}
    local = substituted(program, substitution(paths, addresses), str(run.termination_log))
    condition = Extra(
        SUBSTITUTION_CONDITION,
        "NamespacesRefused",
        f"{isolation.refusal}: mountPaths and host names are replaced in command, args and env only",
    )
    return Prepared(program, local.document(None, limits), condition)


def looking(client: Client, namespace: str) -> LookUp:
    """Return a look-up that asks the API once for each object: a program sees one state of it."""
    seen: dict[tuple[str, str], Object | None] = {}

    def look_up(resource: Resource, name: str) -> Object | None:
        key = (resource.kind, name)
        if key not in seen:
            seen[key] = found = client.find(resource, name, namespace=namespace)
            if found is not None:
                found.setdefault("kind", resource.kind)
        return seen[key]

    return look_up


def _write_hosts(place: Place, names: Iterable[str]) -> None:
    """Write the pod's /etc/hosts, which running containers may have mounted: in place, and only to add names."""
    if place.names.issuperset(names) and place.box.hosts.exists():
        return
    place.names.update(names)
    place.box.hosts.write_text(network.hosts(place.pod, place.names, _host_file()))


def _host_file() -> str:
    return Path(HOSTS).read_text(errors="replace") if Path(HOSTS).exists() else ""


def _plan(container: Object, program: Program, place: Place, run: Run, isolation: Isolation) -> Object:
    mounts = [
        volumes.Mount(str(place.box.hosts), HOSTS),
        volumes.Mount(str(run.termination_log), termination_path(container)),
        *program.mounts,
    ]
    return {
        "root": str(run.root),
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
