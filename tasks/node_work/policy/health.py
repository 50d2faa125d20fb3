"""Decides what is wrong with a node after an act, or already before it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from tasks.core.models.findings import Problem
from tasks.node_work.models.health import Expected, NodeLook, Symptom
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.models.pods import Pod

KUBE_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")

KNOWN, READY, API_READY = "known to the API", "Ready", "/readyz"
"""Names the symptoms that other rules of a plan check too."""

RUNTIME = "container runtime"
ETCD_ELSEWHERE, GATES = "etcd elsewhere", "gates"
ELSEWHERE = (ETCD_ELSEWHERE, GATES)
"""Names the symptoms that do not concern the node that is being checked."""

EVER = datetime.min.replace(tzinfo=UTC)


def what_is_wrong(look: NodeLook, expected: Expected) -> tuple[Symptom, ...]:
    """Returns everything about the node that is not as it must be. It is empty for a healthy node."""
    parts = (_machine, _node, _pods, _control_plane, _services, _others)
    return tuple(symptom for part in parts for symptom in part(look, expected))


def what_fails_already(look: NodeLook, *, of_node_alone: bool = False) -> tuple[Symptom, ...]:
    """Returns what the same proof finds wrong before the act, with the current versions and for any boot."""
    api_server = look.machine.static_pod("kube-apiserver")
    kubelet = look.machine.kubelet or (look.node.kubelet if look.node else "")
    version = api_server.version if api_server else ""
    expected = Expected(kubelet=kubelet, since=EVER, control_plane=version, promised=False, of_node_alone=of_node_alone)
    return what_is_wrong(look, expected)


def what_is_new(symptoms: Iterable[Symptom], before: Collection[str]) -> tuple[str, ...]:
    """Returns the problems that were not there before the act, and those that no act may leave."""
    return tuple(one.problem for one in symptoms if one.grave or one.of not in before)


def what_is_old(symptoms: Iterable[Symptom], before: Collection[str]) -> tuple[str, ...]:
    """Returns the other problems, which were there before the act."""
    return tuple(one.problem for one in symptoms if not one.grave and one.of in before)


def _machine(look: NodeLook, expected: Expected) -> Iterator[Symptom]:
    machine = look.machine
    if machine.unreached:
        yield _grave("reached by SSH", f"not reached: {machine.unreached}")
        return
    if not machine.active.get("kubelet"):
        known = "kubelet" in machine.active
        yield _grave("unit kubelet", "kubelet does not run" if known else "whether kubelet runs is not known")
    if look.runtime:
        yield Symptom(of=RUNTIME, problem=look.runtime)
    if expected.boot_id and not machine.boot_id:
        yield _grave("boot", "whether it has booted since is not known")
    elif expected.boot_id and machine.boot_id == expected.boot_id:
        yield _grave("boot", "it has not booted since")


def _node(look: NodeLook, expected: Expected) -> Iterator[Symptom]:
    node = look.node
    if node is None:
        yield _grave(KNOWN, "no Node object with this name")
        return
    if not node.ready:
        yield _grave(READY, f"not Ready: {node.ready_message}")
    if node.kubelet != expected.kubelet:
        problem = f"the API says kubelet v{node.kubelet}, not v{expected.kubelet}"
        yield Symptom(of=f"kubelet v{expected.kubelet}", problem=problem, grave=expected.promised)
    if node.heartbeat is None:
        yield _grave("heartbeat", "no heartbeat")
    elif node.heartbeat <= expected.since:
        yield _grave("heartbeat", f"no heartbeat since {expected.since:%H:%M:%S} UTC")
    if expected.boot_id and node.boot_id in {"", expected.boot_id}:
        yield _grave("boot", "the API knows no newer boot")
    elif expected.boot_id and not look.machine.unreached and node.boot_id != look.machine.boot_id:
        yield _grave("boot", "the API reports another boot than the node itself")
    yield from (Symptom(of=pressure, problem=f"it has {pressure}") for pressure in node.pressures)


def _pods(look: NodeLook, expected: Expected) -> Iterator[Symptom]:
    """Checks that the node's DaemonSet pods and static pods are ready.

    Other pods may have moved to another node. A finished pod (evicted, or left by a shutdown) is ignored: its
    replacement counts. A static pod is never ignored. A pod that the act replaces must be ready, whatever its
    predecessor was.
    """
    replaced = {f"kube-system/{name}-{look.machine.name}" for name in (*KUBE_PODS, "etcd")}
    is_promised = expected.promised and bool(expected.control_plane)
    for pod in look.pods:
        if (whose := _whose(pod)) and not pod.ready and (pod.mirror or not pod.is_finished):
            grave = is_promised and pod.mirror and pod.id in replaced
            yield Symptom(of=whose, problem=f"pod {pod.id} is not ready", grave=grave)


def _whose(pod: Pod) -> str:
    """Names what owns the pod, because a DaemonSet gives its pods new names. It is empty for other pods."""
    if pod.mirror:
        return f"static pod {pod.id}"
    is_own = pod.controller and pod.controller.kind == "DaemonSet"
    return f"DaemonSet {pod.namespace}/{pod.controller.name}" if is_own and pod.controller else ""


def _control_plane(look: NodeLook, expected: Expected) -> Iterator[Symptom]:
    version, machine = expected.control_plane, look.machine
    if not version or machine.unreached:
        return
    for name in KUBE_PODS:
        if problem := _static_pod(look, name, version):
            yield Symptom(of=f"{name} v{version}", problem=problem.text, grave=expected.promised)
    if machine.api_ready != "200":
        yield _grave(API_READY, f"its API server's /readyz answers {machine.api_ready or 'nothing'}")
    elif machine.api_version != version:
        said = f"its API server says v{machine.api_version}, not v{version}"
        yield Symptom(of=f"API server v{version}", problem=said, grave=expected.promised)


def _static_pod(look: NodeLook, name: str, version: str) -> Problem | None:
    pod = look.machine.static_pod(name)
    if pod is None:
        return Problem(text=f"there is no manifest of {name}")
    if pod.version != version:
        return Problem(text=f"{name} is v{pod.version}, not v{version}")
    return _container(look, name, pod.image)


def _container(look: NodeLook, name: str, image: str) -> Problem | None:
    """Checks the running container, because a manifest may exist before its container starts.

    A runtime may know an image by its digest alone.
    """
    running = next((pod.running for pod in look.pods if pod.id == f"kube-system/{name}-{look.machine.name}"), ())
    tags = {one.rpartition(":")[2] for one in running if "sha256:" not in one}
    if not running or tags - {image.rpartition(":")[2]}:
        return Problem(text=f"of {name} there runs {', '.join(sorted(tags)) or 'nothing'}, not {image}")
    return None


def _services(look: NodeLook, expected: Expected) -> Iterator[Symptom]:
    del expected
    yield from (Symptom(of=f"Service {name}", problem=problem) for name, problem in look.service_path.items())


def _others(look: NodeLook, expected: Expected) -> Iterator[Symptom]:
    """Checks etcd and the site's own gates. They were checked before the act, and agreed."""
    is_grave = not expected.of_node_alone
    if look.etcd:
        yield _grave("etcd", look.etcd)
    if look.etcd_elsewhere:
        yield Symptom(of=ETCD_ELSEWHERE, problem=look.etcd_elsewhere, grave=is_grave)
    yield from (Symptom(of=GATES, problem=said, grave=is_grave) for said in look.gates)


def _grave(of: str, problem: str) -> Symptom:
    return Symptom(of=of, problem=problem, grave=True)


def what_others_lack(others: Sequence[NodeFacts], out: Collection[str], *, allow_downtime: bool) -> list[str]:
    """Returns which other API servers do not serve while one of them is disturbed.

    Nodes that are `out` do not count.
    """
    counted = [machine for machine in others if machine.name not in out]
    if not counted and not allow_downtime:
        return ["no other API server would go on; a cluster of one control plane node needs --allow-downtime"]
    return [
        f"the API server of {one.name} answers {one.api_ready or 'nothing'}"
        for one in counted
        if one.api_ready != "200"
    ]
