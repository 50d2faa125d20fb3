"""What a machine has to have before Kubernetes is upgraded on it."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import figure
from tasks.node_work.policy.health import units_of
from tasks.nodes.models.nodes import NodeFacts, PackageManager
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.upgrade.policy.kubelet_traps import kubelet_traps
from tasks.upgrade.policy.scope import PARTS, NodeState, Scene, versions_in

GIB = 2**30

VAR_LIB_FLOOR = 2 * GIB
"""Of /var/lib: the packages take 0.2 GiB, the images of a control plane 1 GiB, unpacked beside the old ones."""

ETCD_COPY_PERCENT = 150
"""Of the etcd directory, where kubeadm copies it to before every upgrade of etcd."""

CLOCK_CAUTION = timedelta(seconds=2)
CLOCK_LIMIT = timedelta(seconds=30)
"""Certificates, leases and etcd's elections go by clocks."""

CERTIFICATE_CAUTION = timedelta(days=7)
TIME = "%Y-%m-%dT%H:%M:%SZ"

PROVEN = {"debian", "ubuntu"}
PACKAGES = ("kubeadm", "kubelet", "kubectl")


def rules_of_machines(scene: Scene) -> Iterator[Finding]:
    """Of every machine that this run upgrades and that could be asked."""
    for node in scene.due:
        if not node.machine.unreached:
            for rule in RULES:
                yield from rule(scene, node)


def _access(_: Scene, node: NodeState) -> Iterator[Finding]:
    machine = node.machine
    if machine.jobs:
        yield cautioned(
            node.name, f"jobs of ours run there now: {', '.join(machine.jobs)}", "this run goes on with them"
        )


def _system(_: Scene, node: NodeState) -> Iterator[Finding]:
    machine = node.machine
    family = {machine.os, *machine.os_like}
    called = f"{machine.os or 'an unknown system'} {machine.os_version}".strip()
    match machine.packages.manager:
        case PackageManager.APT if family & PROVEN:
            return
        case PackageManager.NONE:
            yield refused(
                node.name,
                f"{called} has neither apt nor dnf",
                "upgrade this node by hand, and name the others in options.nodes",
            )
        case manager:
            yield cautioned(
                node.name,
                f"{called} with {manager}: proven end to end are Debian and Ubuntu with apt",
                "try it on one worker first: options.nodes",
            )


def _packages(scene: Scene, node: NodeState) -> Iterator[Finding]:
    packages = node.machine.packages
    if packages.broken:
        yield refused(
            node.name,
            f"half-configured packages: {', '.join(packages.broken)}",
            "run `dpkg --configure -a` and `apt-get -f install` there",
        )
    if packages.manager:
        yield from _installable(scene, node.machine)


def _installable(scene: Scene, machine: NodeFacts) -> Iterator[Finding]:
    target, packages = scene.target, machine.packages
    missing = [name for name in PACKAGES if not _has(machine, name, target)]
    asked = KubernetesVersion.observed(scene.facts.target)
    if asked is None or asked.minor_name != target.minor_name:
        yield cautioned(
            machine.name,
            f"its repositories were not asked for v{target.minor_name}, where {target} is",
            "whether it can be installed is seen when the packages are staged, before anything stops",
        )
    elif missing and packages.problem:
        yield refused(
            machine.name,
            f"its repository of v{target.minor_name} could not be asked: {packages.problem}",
            "make the repository reachable from the node",
        )
    elif missing and not packages.repositories:
        yield refused(
            machine.name,
            "no file of it names a repository of Kubernetes (core:/stable:/vN.NN)",
            "add the community's repository, or a mirror of it with that path",
        )
    else:
        yield from (_not_installable(machine, name, target) for name in missing)


def _has(machine: NodeFacts, name: str, target: KubernetesVersion) -> bool:
    """It is installed, or can be, or is not wanted there."""
    packages = machine.packages
    installed = packages.installed.get(name, "")
    if name == "kubectl" and not installed:
        return True
    return target in versions_in((installed, *packages.candidates.get(name, ())))


def _not_installable(machine: NodeFacts, name: str, target: KubernetesVersion) -> Finding:
    known = sorted(versions_in(machine.packages.candidates.get(name, ())))
    has = f"its repository has {known[0]} to {known[-1]}" if known else f"its repository has no {name}"
    return refused(
        machine.name,
        f"{name} {target} cannot be installed: {has}",
        "name a version that is there" if known else f"look at the repository of v{target.minor_name}",
    )


def _space(_: Scene, node: NodeState) -> Iterator[Finding]:
    wanted = [("/var/lib", VAR_LIB_FLOOR, "packages and images need")]
    if node.needs_kubeadm and node.machine.etcd_bytes:
        copy = node.machine.etcd_bytes * ETCD_COPY_PERCENT // 100
        wanted.append(("/etc/kubernetes", copy, "kubeadm's copy of the etcd directory needs"))
    for path, needed, why in wanted:
        free = node.machine.free_bytes.get(path)
        if free is None:
            yield cautioned(node.name, f"how much of {path} is free is not known", f"{why} {_rounded(needed, up=True)}")
        elif free < needed:
            yield refused(
                node.name,
                f"{path} has {figure(_rounded(free, up=False))} free, {why} {figure(_rounded(needed, up=True))}",
                f"free space there{', for example old copies in /etc/kubernetes/tmp' if path != '/var/lib' else ''}",
            )


def _rounded(size: int, *, up: bool) -> str:
    """What is free is rounded down and what is needed up: the two never look equal when they are not."""
    unit, name = (GIB, "GiB") if size >= GIB else (GIB // 1024, "MiB")
    tenths = -(-size * 10 // unit) if up else size * 10 // unit
    return f"{tenths / 10:.1f} {name}"


def _units(_: Scene, node: NodeState) -> Iterator[Finding]:
    machine = node.machine
    if machine.swap and machine.fail_swap_on is not False:
        yield refused(
            node.name,
            "swap is on, and failSwapOn of its kubelet is not false: the kubelet would not start again",
            "run `swapoff -a` and take swap out of /etc/fstab",
        )
    for unit in units_of(node.kube.runtime if node.kube else ""):
        if not machine.active.get(unit, True) and not node.begun:
            yield refused(node.name, f"{unit} does not run", f"look at `journalctl -u {unit}`, and start it")


def _traps(scene: Scene, node: NodeState) -> Iterator[Finding]:
    """For the last version of a chain: it is approved as a whole."""
    yield from kubelet_traps(node.machine, scene.facts.api, scene.last)


def _manifests(scene: Scene, node: NodeState) -> Iterator[Finding]:
    if not node.is_control_plane or not node.needs_kubeadm:
        return
    wanted = (*PARTS, "etcd") if scene.is_stacked else PARTS
    if missing := [name for name in wanted if not node.machine.static_pod(name)]:
        yield refused(
            node.name,
            f"no manifest of {', '.join(missing)}: kubeadm upgrades what it finds in /etc/kubernetes/manifests",
            "put it back (kubeadm's copies are in /etc/kubernetes/tmp), or join this control plane node anew",
        )


def _authorities(_: Scene, node: NodeState) -> Iterator[Finding]:
    """kubeadm would write the manifest of the controller manager anew, which then does not start with two certificates in ca.crt."""
    for name in node.machine.ca_rotations if node.needs_kubeadm else ():
        yield refused(
            node.name,
            f"a rotation of {name} has begun there and not ended: kubeadm would write its files as it thinks right",
            "bring it to its end first: docs/ca-rotation.md",
        )


def _certificates(scene: Scene, node: NodeState) -> Iterator[Finding]:
    now, found = scene.now, node.machine.certificates
    expired = {path: expires for path, expires in found.items() if expires <= now}
    soon = {path: expires for path, expires in found.items() if now < expires <= now + CERTIFICATE_CAUTION}
    if expired:
        yield refused(
            node.name,
            f"expired, the first at {min(expired.values()):{TIME}}: {', '.join(sorted(expired))}",
            "renew them first: cert_rotation",
        )
    if soon:
        yield cautioned(
            node.name,
            f"expires soon, the first at {min(soon.values()):{TIME}}: {', '.join(sorted(soon))}",
            "kubeadm renews a control plane's certificates with its upgrade, but neither CAs nor those of kubelets",
        )


def _clock(_: Scene, node: NodeState) -> Iterator[Finding]:
    offset = node.machine.clock_offset
    if (away := abs(offset)) <= CLOCK_CAUTION:
        return
    problem = f"its clock is {figure(f'{away.total_seconds():.1f} s')} {'ahead of' if offset > timedelta() else 'behind'} the worker's"
    if away > CLOCK_LIMIT:
        limit = f"{CLOCK_LIMIT.total_seconds():.0f} s are allowed"
        yield refused(node.name, f"{problem}, {limit}", "look at its time service (`timedatectl`)")
    else:
        yield cautioned(node.name, problem, "look at its time service (`timedatectl`)")


RULES: tuple[Callable[[Scene, NodeState], Iterator[Finding]], ...] = (
    _access,
    _system,
    _packages,
    _space,
    _units,
    _traps,
    _manifests,
    _authorities,
    _certificates,
    _clock,
)
