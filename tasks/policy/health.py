"""What is wrong with a node after an act, and what of the cluster is worse than before."""

from collections.abc import Collection, Iterator, Sequence

from tasks.models.health import Expected, NodeLook
from tasks.models.nodes import KubeNode, NodeFacts
from tasks.models.upgrade import Workload

KUBE_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def what_is_wrong(look: NodeLook, expected: Expected) -> tuple[str, ...]:
    """Everything that is not yet, or not any more, as it has to be; nothing for a healthy node."""
    return tuple(
        problem for part in (_machine, _node, _pods, _control_plane) for problem in part(look, expected) if problem
    ) + tuple(problem for problem in (look.service_path, look.etcd, *look.gates) if problem)


def what_got_worse(before: Sequence[Workload], now: Sequence[Workload]) -> tuple[str, ...]:
    """Workloads with fewer pods ready than before, as far as as many are still wanted; one that was deleted is not missed."""
    ready = {(one.kind, one.name): one.ready for one in before}
    return tuple(
        f"{one.kind} {one.name}: {one.ready} of {one.desired} pods are ready, before it were {ready[one.kind, one.name]}"
        for one in now
        if (one.kind, one.name) in ready and one.ready < min(ready[one.kind, one.name], one.desired)
    )


def _machine(look: NodeLook, expected: Expected) -> Iterator[str]:
    machine = look.machine
    if machine.unreached:
        yield f"not reached: {machine.unreached}"
        return
    yield from (f"{unit} does not run" for unit, active in machine.active.items() if not active)
    if expected.boot_id and machine.boot_id == expected.boot_id:
        yield "it has not booted since"


def _node(look: NodeLook, expected: Expected) -> Iterator[str]:
    node = look.node
    if node is None:
        yield "the API does not know it"
        return
    if not node.ready:
        yield f"not Ready: {node.ready_message}"
    if node.kubelet != expected.kubelet:
        yield f"the API says kubelet v{node.kubelet}, not v{expected.kubelet}"
    if node.heartbeat is None or node.heartbeat <= expected.since:
        yield f"no heartbeat since {expected.since:%H:%M:%S} UTC"
    if expected.boot_id and node.boot_id == expected.boot_id:
        yield "the API knows no newer boot"
    elif expected.boot_id and not look.machine.unreached and node.boot_id != look.machine.boot_id:
        yield "the API knows another boot than the machine"
    yield from (f"it has {pressure}" for pressure in node.pressures)


def _pods(look: NodeLook, expected: Expected) -> Iterator[str]:
    """Those of DaemonSets and of the kubelet itself have to be ready; others may have gone elsewhere."""
    del expected
    own = [pod for pod in look.pods if pod.mirror or (pod.controller and pod.controller.kind == "DaemonSet")]
    yield from (f"pod {pod.id} is not ready" for pod in own if not pod.ready and not pod.is_finished)


def _control_plane(look: NodeLook, expected: Expected) -> Iterator[str]:
    version, machine = expected.control_plane, look.machine
    if not version or machine.unreached:
        return
    for name in KUBE_PODS:
        pod = machine.static_pod(name)
        if pod is None:
            yield f"there is no manifest of {name}"
        elif pod.version != version:
            yield f"{name} is v{pod.version}, not v{version}"
        else:
            yield _what_runs(look, name, pod.image)
    if machine.api_ready != "200":
        yield f"its API server's /readyz answers {machine.api_ready or 'nothing'}"
    elif machine.api_version != version:
        yield f"its API server says v{machine.api_version}, not v{version}"


def _what_runs(look: NodeLook, name: str, image: str) -> str:
    """A manifest may be there that no container was started of yet; a runtime may know an image by its digest alone."""
    running = next((pod.running for pod in look.pods if pod.id == f"kube-system/{name}-{look.machine.name}"), ())
    tags = {one.rpartition(":")[2] for one in running if "sha256:" not in one}
    if not running or tags - {image.rpartition(":")[2]}:
        return f"of {name} there runs {', '.join(sorted(tags)) or 'nothing'}, not {image}"
    return ""


def what_others_lack(others: Sequence[NodeFacts], out: Collection[str], *, allow_downtime: bool) -> list[str]:
    """Of the API servers that have to go on while another one is disturbed; those that are `out` anyway do not count."""
    counted = [machine for machine in others if machine.name not in out]
    if not counted and not allow_downtime:
        return ["no other API server would go on; a cluster of one control plane needs allow_downtime"]
    return [
        f"the API server of {one.name} answers {one.api_ready or 'nothing'}"
        for one in counted
        if one.api_ready != "200"
    ]


def who_is_out(nodes: Sequence[KubeNode], ours: Sequence[str]) -> dict[str, str]:
    """Nodes that may be away any moment: not Ready, or cordoned, but not by the run whose nodes are `ours`."""
    found = {}
    for node in nodes:
        if not node.ready:
            found[node.name] = f"not Ready: {node.ready_message}"
        elif node.cordoned and node.name not in ours:
            found[node.name] = "cordoned"
    return found
