"""Checks what a node must have before Kubernetes is upgraded on it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import PurePosixPath

from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import figure
from tasks.core.words import duration_in_words
from tasks.node_work.policy.health import RUNTIME
from tasks.nodes.models.nodes import NodeFacts, PackageManager
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.upgrade.policy.kubelet_traps import kubelet_traps
from tasks.upgrade.policy.scope import PARTS, NodeState, Scene, versions_in

GIB = 2**30

VAR_LIB_FLOOR = 2 * GIB
"""This is the free space that /var/lib needs, in bytes.

The packages take 0.2 GiB, and the images of a control plane node take 1 GiB beside the old ones, unpacked.
"""

ETCD_COPY_PERCENT = 150
"""Sizes the free space for a copy of the etcd directory, in percent of that directory.

The space is needed in the folder where kubeadm copies the directory before every upgrade of etcd.
"""

CLOCK_CAUTION = timedelta(seconds=2)
CLOCK_LIMIT = timedelta(seconds=30)
"""Limits the clock difference, because certificates, Leases and etcd's elections depend on clocks."""

CERTIFICATE_CAUTION = timedelta(days=7)
TIME = "%Y-%m-%dT%H:%M:%SZ"

PROVEN = {"debian", "ubuntu"}
PACKAGES = ("kubeadm", "kubelet", "kubectl")


def rules_of_machines(scene: Scene) -> Iterator[Finding]:
    """Yields findings for every node that this run upgrades and that answered."""
    for node in scene.due:
        if not node.machine.unreached:
            for rule in RULES:
                yield from rule(scene, node)


def _access(_: Scene, node: NodeState) -> Iterator[Finding]:
    machine = node.machine
    if machine.jobs:
        yield cautioned(node.name, f"jobs of ours run there now: {', '.join(machine.jobs)}", "this run resumes them")


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
                "upgrade this node by hand, and name the others with --nodes",
            )
        case manager:
            yield cautioned(
                node.name,
                f"{called} with {manager}: proven end to end are Debian and Ubuntu with apt",
                "try it on one worker first, with --nodes",
            )


def _packages(scene: Scene, node: NodeState) -> Iterator[Finding]:
    packages = node.machine.packages
    if packages.broken:
        yield refused(
            node.name,
            f"half-configured packages: {', '.join(packages.broken)}",
            "run `dpkg --configure -a` and `apt-get -f install` there",
        )
    for what in packages.unknown:
        yield refused(
            node.name,
            f"its package manager does not say {what}",
            "repair it there until `apt-mark showhold` (`dnf versionlock list`) and `dpkg --audit` answer",
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
            f"what its repository of v{target.minor_name} has is not known: {packages.problem}",
            "make the repository answer the node",
        )
    elif missing and not packages.repositories:
        yield refused(
            machine.name,
            "no file of it names a repository of Kubernetes that is in use (core:/stable:/vN.NN)",
            "add the community's repository, or a mirror of it with that path",
        )
    else:
        yield from (_not_installable(machine, name, target) for name in missing)


def _has(machine: NodeFacts, name: str, target: KubernetesVersion) -> bool:
    """Returns True if the package is installed, can be installed, or is not wanted on the node."""
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
        "name a version that is there" if known else f"check the repository of v{target.minor_name}",
    )


def _space(_: Scene, node: NodeState) -> Iterator[Finding]:
    wanted = [("/var/lib", VAR_LIB_FLOOR, "packages and images need")]
    if node.needs_kubeadm and node.machine.etcd_bytes:
        copy = node.machine.etcd_bytes * ETCD_COPY_PERCENT // 100
        wanted.append(("/etc/kubernetes", copy, "kubeadm's copy of the etcd directory needs"))
    elif node.needs_kubeadm and node.machine.static_pod("etcd"):
        yield cautioned(
            node.name,
            "how large its etcd directory is is not known, and kubeadm copies it",
            "compare `du -sh` of etcd's --data-dir with `df -h /etc/kubernetes` there",
        )
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
    """Returns a size as text.

    Free space is rounded down and needed space up, so two different sizes never look equal.
    """
    unit, name = (GIB, "GiB") if size >= GIB else (GIB // 1024, "MiB")
    tenths = -(-size * 10 // unit) if up else size * 10 // unit
    return f"{tenths / 10:.1f} {name}"


def _units(scene: Scene, node: NodeState) -> Iterator[Finding]:
    machine = node.machine
    if machine.swap and machine.fail_swap_on is not False:
        yield refused(
            node.name,
            "swap is on, and failSwapOn of its kubelet is not false: the kubelet would not start again",
            "run `swapoff -a` and take swap out of /etc/fstab",
        )
    for file, pod in machine.doubles.items():
        yield refused(
            node.name,
            f"its kubelet reads {file} as another manifest of {pod}, whatever the name ends with: it is not known which of them it runs",
            f"move {file} out of the kubelet's folder of manifests on {node.name}",
        )
    if not machine.active.get("kubelet", True) and not node.begun:
        yield refused(node.name, "kubelet does not run", "check `journalctl -u kubelet`, and start it")
    for one in scene.symptoms_of(node):
        if one.of == RUNTIME and not node.begun:
            yield refused(
                node.name, one.problem, "start it: `ss -xlp` says what listens, `systemctl status` which unit failed"
            )


def _traps(scene: Scene, node: NodeState) -> Iterator[Finding]:
    """Checks the last version of a chain, because a chain is approved as a whole."""
    yield from kubelet_traps(node.machine, scene.facts.api, scene.last)


def _manifests(scene: Scene, node: NodeState) -> Iterator[Finding]:
    if not node.is_control_plane or not node.needs_kubeadm:
        return
    wanted = (*PARTS, "etcd") if scene.is_stacked else PARTS
    if missing := [name for name in wanted if not node.machine.static_pod(name)]:
        yield refused(
            node.name,
            f"no manifest of {', '.join(missing)}: kubeadm upgrades what it finds in /etc/kubernetes/manifests",
            "restore it (kubeadm's copies are in /etc/kubernetes/tmp), or join this control plane node again",
        )


def _authorities(_: Scene, node: NodeState) -> Iterator[Finding]:
    """Refuses a node with an unfinished CA rotation.

    In such a rotation ca.crt may hold two certificates. The controller manager would not start with them, once
    kubeadm has rewritten its manifest.
    """
    for name in node.machine.ca_rotations if node.needs_kubeadm else ():
        yield refused(
            node.name,
            f"a rotation of {name} has begun there and not ended: kubeadm would overwrite its files",
            "finish it first: docs/ca-rotation.md",
        )


def _certificates(scene: Scene, node: NodeState) -> Iterator[Finding]:
    now, found = scene.now, node.machine.certificates
    expired = {path: expires for path, expires in found.items() if expires <= now}
    soon = {path: expires for path, expires in found.items() if now < expires <= now + CERTIFICATE_CAUTION}
    if not found:
        told = "no certificate was found on it, so it is not known which of them expire"
        yield cautioned(node.name, told, "run `kube-runbooks run certificate-inventory CLUSTER`")
    for step in dict.fromkeys(map(_how_to_renew, sorted(expired))):
        those = {path: expires for path, expires in expired.items() if _how_to_renew(path) == step}
        told = f"expired, the first at {min(those.values()):{TIME}}: {', '.join(sorted(those))}"
        yield refused(node.name, told, step)
    for what in node.machine.unread:
        yield cautioned(
            node.name, f"not read, so nothing of it is judged: {what}", "certificate_inventory reads them all"
        )
    if soon:
        yield cautioned(
            node.name,
            f"expires soon, the first at {min(soon.values()):{TIME}}: {', '.join(sorted(soon))}",
            "kubeadm renews a control plane's certificates with its upgrade, but neither CAs nor those of kubelets",
        )


KUBELETS = ("kubelet.conf", "kubelet-client-current.pem")


def _how_to_renew(path: str) -> str:
    """Returns the next step for an expired certificate, by the end of its path. kubeadm's folder may be elsewhere."""
    renewed = (*(made.file for made in LEAVES.values()), *KUBELETS)
    if _is_one_of(path, renewed):
        return "renew them first: `kube-runbooks run cert-rotation CLUSTER`"
    if _is_one_of(path, AUTHORITIES.values()):
        return "replace the CA first: ca_rotation (docs/ca-rotation.md)"
    return "kubeadm does not manage them: renew them where they come from, or move them out of that folder"


def _is_one_of(path: str, files: Iterable[str]) -> bool:
    return any(PurePosixPath(path).match(file.removeprefix("pki/")) for file in files)


def _clock(_: Scene, node: NodeState) -> Iterator[Finding]:
    offset = node.machine.clock_offset
    if (away := abs(offset)) <= CLOCK_CAUTION:
        return
    problem = f"its clock is {figure(duration_in_words(away))} {'ahead of' if offset > timedelta() else 'behind'} the worker's"
    if away > CLOCK_LIMIT:
        limit = f"{CLOCK_LIMIT.total_seconds():.0f} s are allowed"
        yield refused(node.name, f"{problem}, {limit}", "check its time service: `timedatectl`")
    else:
        yield cautioned(node.name, problem, "check its time service: `timedatectl`")


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
