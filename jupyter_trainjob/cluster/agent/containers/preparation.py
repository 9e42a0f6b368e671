"""Prepare a container's start: volumes, environment, network and the shim's document.

In: the pod and the node (`Host`). `prepare_pod` creates the volumes and leases the port, once for a pod;
`prepare_container` creates a container's program and the document of its shim. Both raise the errors of `start_errors`.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_trainjob.api.resources import JOBSETS, KubeObject, Resource
from jupyter_trainjob.cluster.agent import network
from jupyter_trainjob.cluster.agent.containers import environment
from jupyter_trainjob.cluster.agent.containers.container_run import Run
from jupyter_trainjob.cluster.agent.containers.isolation import Isolation
from jupyter_trainjob.cluster.agent.containers.node_resources import NodeResources
from jupyter_trainjob.cluster.agent.containers.path_rewriting import path_rewriter
from jupyter_trainjob.cluster.agent.containers.sandbox import Sandbox
from jupyter_trainjob.cluster.agent.containers.shim_spec import (
    Program,
    build_program,
    rewrite_program,
    termination_path,
)
from jupyter_trainjob.cluster.agent.pod_condition import PodCondition
from jupyter_trainjob.cluster.agent.start_errors import FindObject
from jupyter_trainjob.cluster.agent.volumes import pod_volumes
from jupyter_trainjob.cluster.agent.volumes.volume_contents import PodContext
from jupyter_trainjob.constants import JOBSET_NAME, SUBSTITUTION_CONDITION
from jupyter_trainjob.kube.client import Client

HOSTS = "/etc/hosts"


@dataclass(frozen=True)
class Host:
    """What the node provides to pods."""

    client: Client
    default_python: str
    isolation: Future[Isolation]
    ports: network.PortLeases
    cpus: int
    resources: NodeResources


@dataclass(frozen=True)
class SharedResources:
    """The resources that the containers of a pod share."""

    pod: KubeObject
    """With addresses in its status, for the downward API."""
    sandbox: Sandbox
    sources: dict[str, pod_volumes.Source]
    port: int
    peers: list[str]
    names: set[str] = field(default_factory=set)
    """The names in /etc/hosts so far."""


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to be started."""

    program: Program
    """With paths as in the pod; decides whether a warm start is possible."""
    document: KubeObject
    """What the shim reads."""
    condition: PodCondition | None


def prepare_pod(pod: KubeObject, sandbox: Sandbox, host: Host, find_object: FindObject) -> SharedResources:
    """Create the resources that the containers of `pod` share."""
    namespace = pod["metadata"]["namespace"]
    own = network.pod_address(namespace, network.qualified_name(pod))
    pod = {**pod, "status": {**(pod.get("status") or {}), "podIP": own, "hostIP": network.HOST_IP}}
    sandbox.create(pod)
    asker = PodContext(pod, find_object, host.resources.allocatable)
    sources = pod_volumes.create_volumes(asker, pod_volumes.VolumeFolders(sandbox.volumes, host.resources.claims))
    port = host.ports.lease(network.lease_key(pod))
    return SharedResources(pod, sandbox, sources, port, _peers(pod, host.client))


def prepare_container(
    shared: SharedResources, container: KubeObject, run: Run, host: Host, find_object: FindObject
) -> Prepared:
    """Prepare the start of a container, in the folder of its run."""
    pod = shared.pod
    namespace = pod["metadata"]["namespace"]
    own_env = environment.container_env(PodContext(pod, find_object, host.resources.allocatable), container)
    program = build_program(
        pod,
        container,
        default_python=host.default_python,
        own_env={**host.resources.env(pod, container), **own_env},
        mounts=pod_volumes.container_mounts(container, shared.sources, own_env),
        port=shared.port,
        peers=len(shared.peers),
        cpus=host.cpus,
    )
    names = {*shared.peers, *network.mentioned_peers(pod, [*program.argv, *program.env.values()])}
    isolation = host.isolation.result()
    run.create()
    limits = host.resources.limits(pod, container, run)
    if isolation.namespaces:
        _write_hosts(shared, names)
        document = program.document(_plan(container, program, shared, run, isolation), limits)
        return Prepared(program, document, None)
    paths = {mount.target: mount.source for mount in program.mounts}
    # A name without a dot could be any word.
    addresses = {name: network.pod_address(namespace, name) for name in names if "." in name}
    local = rewrite_program(program, path_rewriter(paths, addresses), str(run.termination_log))
    condition = PodCondition(
        SUBSTITUTION_CONDITION,
        "NamespacesRefused",
        f"{isolation.refusal}: mountPaths and host names are replaced in command, args and env only",
    )
    return Prepared(program, local.document(None, limits), condition)


def cached_finder(client: Client, namespace: str) -> FindObject:
    """Return a function that reads each object once, so that a container sees one version of it."""
    cache: dict[tuple[str, str], KubeObject | None] = {}

    def look_up(resource: Resource, name: str) -> KubeObject | None:
        key = (resource.kind, name)
        if key not in cache:
            cache[key] = obj = client.find(resource, name, namespace=namespace)
            if obj is not None:
                obj.setdefault("kind", resource.kind)
        return cache[key]

    return look_up


def _write_hosts(shared: SharedResources, names: Iterable[str]) -> None:
    """Add names to the pod's /etc/hosts, in place because running containers may have mounted it."""
    if shared.names.issuperset(names) and shared.sandbox.hosts.exists():
        return
    shared.names.update(names)
    shared.sandbox.hosts.write_text(network.hosts_file(shared.pod, shared.names, _host_file()))


def _host_file() -> str:
    return Path(HOSTS).read_text(errors="replace") if Path(HOSTS).exists() else ""


def _plan(
    container: KubeObject, program: Program, shared: SharedResources, run: Run, isolation: Isolation
) -> KubeObject:
    mounts = [
        pod_volumes.Mount(str(shared.sandbox.hosts), HOSTS),
        pod_volumes.Mount(str(run.termination_log), termination_path(container)),
        *program.mounts,
    ]
    return {
        "root": str(run.root),
        "hostname": program.hostname,
        "user": isolation.user,
        "mounts": [mount.plan() for mount in mounts],
    }


def _peers(pod: KubeObject, client: Client) -> list[str]:
    """Return the qualified names of the pods of the same JobSet, including this one."""
    metadata = pod["metadata"]
    name = (metadata.get("labels") or {}).get(JOBSET_NAME)
    jobset = client.find(JOBSETS, name, namespace=metadata["namespace"]) if name else None
    return network.peer_names(jobset) if jobset else [network.qualified_name(pod)]
