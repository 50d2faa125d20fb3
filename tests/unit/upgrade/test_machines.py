"""What a machine has to have before Kubernetes is upgraded on it."""

from datetime import timedelta

import pytest

from tasks.node_work.models.health import Symptom
from tasks.node_work.policy.health import RUNTIME
from tasks.nodes.models.nodes import PackageManager
from tests.facts.upgrade import (
    CONTROL_PLANES,
    GIB,
    NEW,
    NOW,
    PROGRAMS,
    cluster,
    packages,
    static_pods,
)
from tests.facts.upgrade_plan import FLAG, Facts, plan, told

MIB = 2**20

TWO_TWO = ("1.37.2-1.1",)


OTHER_OS = {"os": "fedora", "os_version": "44", "packages": packages(manager=PackageManager.DNF)}

MACHINE_TABLE: dict[str, tuple[Facts, tuple[str, str]]] = {
    "another system": (
        {"os": "flatcar", "os_version": "4000", "packages": packages(manager="")},
        (
            "flatcar 4000 has neither apt nor dnf",
            "upgrade this node by hand, and name the others with --nodes",
        ),
    ),
    "an unknown system": (
        {"os": "", "os_version": "", "packages": packages(manager="")},
        ("an unknown system has neither apt nor dnf", "upgrade this node by hand, and name the others"),
    ),
    "half-configured packages": (
        {"packages": packages(broken=("kubelet", "libc6"))},
        ("half-configured packages: kubelet, libc6", "run `dpkg --configure -a` and `apt-get -f install` there"),
    ),
    "a repository that does not answer": (
        {"packages": packages(candidates={}, problem="404 Not Found")},
        ("what its repository of v1.37 has is not known: 404 Not Found", "make the repository answer the node"),
    ),
    "a package manager that does not say what is held back": (
        {"packages": packages(unknown=("which packages are held back: no answer",))},
        ("its package manager does not say which packages are held back: no answer", "repair it there until"),
    ),
    "no repository of Kubernetes": (
        {"packages": packages(candidates={}, repositories={})},
        (
            "no file of it names a repository of Kubernetes that is in use (core:/stable:/vN.NN)",
            "add the community's repository, or a mirror of it with that path",
        ),
    ),
    "a version that the repository has not": (
        {"packages": packages(candidates=dict.fromkeys(PROGRAMS, TWO_TWO) | {"kubelet": ("1.37.0-1.1", "1.37.1-2.1")})},
        ("kubelet v1.37.2 cannot be installed: its repository has v1.37.0 to v1.37.1", "name a version that is there"),
    ),
    "a package that the repository has not": (
        {"packages": packages(candidates={"kubelet": ("1.37.2-1.1",), "kubectl": ("1.37.2-1.1",)})},
        ("kubeadm v1.37.2 cannot be installed: its repository has no kubeadm", "check the repository of v1.37"),
    ),
    "no space for packages and images": (
        {"free_bytes": {"/var/lib": 2 * GIB - 1, "/etc/kubernetes": 9 * GIB}},
        ("/var/lib has 1.9 GiB free, packages and images need 2.0 GiB", "free space there"),
    ),
    "an authority that is being rotated": (
        {"ca_rotations": ("ca",)},
        (
            "a rotation of ca has begun there and not ended: kubeadm would overwrite its files",
            "finish it first: docs/ca-rotation.md",
        ),
    ),
    "double": (
        {"doubles": {"kube-apiserver.yaml.bak": "kube-apiserver"}},
        (
            "its kubelet reads kube-apiserver.yaml.bak as another manifest of kube-apiserver, whatever the name ends with: it is not "
            "known which of them it runs",
            "move kube-apiserver.yaml.bak out of the kubelet's folder of manifests on w1",
        ),
    ),
    "swap": (
        {"swap": True},
        (
            "swap is on, and failSwapOn of its kubelet is not false: the kubelet would not start again",
            "run `swapoff -a` and take swap out of /etc/fstab",
        ),
    ),
    "no kubelet": (
        {"active": {"kubelet": False, "containerd": True}},
        ("kubelet does not run", "check `journalctl -u kubelet`, and start it"),
    ),
    "cgroup v1": (
        {"cgroup_version": 1},
        (
            "it runs cgroup v1, which kubelet v1.37.2 refuses to start on (since v1.35)",
            "boot it with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or set failCgroupV1: false in "
            "kube-system/kubelet-config",
        ),
    ),
    "cgroup v1, allowed on the node only": (
        {"cgroup_version": 1, "fail_cgroup_v1": False},
        (
            "it runs cgroup v1, which kubelet v1.37.2 refuses to start on (since v1.35); failCgroupV1: false in its own "
            "configuration goes away: kubeadm writes it from kubelet-config",
            "boot it with cgroup v2",
        ),
    ),
    "a removed flag of the operator's": (
        {"flag_files": {"/etc/default/kubelet": (FLAG, "v")}},
        (
            "/etc/default/kubelet has --pod-infra-container-image, which the kubelet does not know since v1.35: it would "
            "not start",
            "take --pod-infra-container-image out of /etc/default/kubelet: kubeadm does that in "
            "/var/lib/kubelet/kubeadm-flags.env only",
        ),
    ),
    "a removed flag in sysconfig": (
        {"flag_files": {"/etc/sysconfig/kubelet": (FLAG,), "/var/lib/kubelet/kubeadm-flags.env": (FLAG,)}},
        (
            "/etc/sysconfig/kubelet has --pod-infra-container-image",
            "take --pod-infra-container-image out of /etc/sysconfig",
        ),
    ),
    "a removed flag in a drop-in": (
        {"kubelet_flags": ("config", FLAG)},
        (
            "the kubelet's unit or a drop-in of it has --pod-infra-container-image",
            "out of the kubelet's unit or a drop-in",
        ),
    ),
    "an expired certificate": (
        {
            "certificates": {
                "/srv/pki/apiserver.crt": NOW,
                "/etc/kubernetes/kubelet.conf": NOW - timedelta(days=2),
                "/srv/pki/etcd/peer.crt": NOW + timedelta(days=9),
            }
        },
        (
            "expired, the first at 2026-11-22T12:00:00Z: /etc/kubernetes/kubelet.conf, /srv/pki/apiserver.crt",
            "renew them first: `kube-runbooks run cert-rotation CLUSTER`",
        ),
    ),
    "a kubelet's certificate": (
        {"certificates": {"/var/lib/kubelet/pki/kubelet-client-current.pem": NOW}},
        ("expired, the first at", "renew them first: `kube-runbooks run cert-rotation CLUSTER`"),
    ),
    "an expired CA": (
        {"certificates": {"/srv/pki/etcd/ca.crt": NOW, "/srv/pki/front-proxy-ca.crt": NOW}},
        (
            "expired, the first at 2026-11-24T12:00:00Z: /srv/pki/etcd/ca.crt, /srv/pki/front-proxy-ca.crt",
            "replace the CA first: ca_rotation",
        ),
    ),
    "an expired certificate of somebody else": (
        {"certificates": {"/etc/kubernetes/pki/vault.crt": NOW, "/etc/kubernetes/mine.conf": NOW}},
        ("expired, the first at", "renew them where they come from, or move them out of that folder"),
    ),
    "a clock that is ahead": (
        {"clock_offset": timedelta(seconds=31)},
        ("its clock is 31 s ahead of the worker's, 30 s are allowed", "check its time service: `timedatectl`"),
    ),
    "a clock that is behind": (
        {"clock_offset": timedelta(seconds=-90)},
        ("its clock is 1 min 30 s behind the worker's, 30 s are allowed", "check its time service: `timedatectl`"),
    ),
}


@pytest.mark.parametrize(("changes", "refusal"), MACHINE_TABLE.values(), ids=MACHINE_TABLE.keys())
def test_what_a_machine_lacks_is_refused(changes: Facts, refusal: tuple[str, str]) -> None:
    """With the numbers and the next step; a machine that this run leaves alone may lack it."""
    facts = cluster(machines={"w1": changes})
    (only,) = plan(facts).refusals
    assert only.subject == "w1"
    assert only.problem.startswith(refusal[0])
    assert refusal[1] in only.next_step
    assert plan(facts, nodes=(*CONTROL_PLANES, "w2")).refusals == ()


MACHINE_CAUTIONS: dict[str, tuple[Facts, tuple[str, str]]] = {
    "dnf": (
        OTHER_OS,
        (
            "fedora 44 with dnf: proven end to end are Debian and Ubuntu with apt",
            "try it on one worker first, with --nodes",
        ),
    ),
    "apt on another system": (
        {"os": "altlinux", "os_version": "11"},
        ("altlinux 11 with apt: proven end to end are Debian", "try it on one worker first"),
    ),
    "an old containerd": (
        {"containerd": "1.6.36"},
        (
            "containerd 1.6.36 is older than 1.7: kubelet v1.37.2 warns and still starts",
            "upgrade containerd: v1.38 needs 2.0",
        ),
    ),
    "unknown space": (
        {"free_bytes": {"/etc/kubernetes": GIB}},
        ("how much of /var/lib is free is not known", "packages and images need 2.0 GiB"),
    ),
    "a certificate that expires soon": (
        {"certificates": {"/a.crt": NOW + timedelta(days=7), "/b.crt": NOW + timedelta(days=7, seconds=1)}},
        ("expires soon, the first at 2026-12-01T12:00:00Z: /a.crt", "kubeadm renews a control plane's certificates"),
    ),
    "a file that was not read": (
        {"unread": ("/etc/kubernetes/admin.conf: no YAML",)},
        (
            "not read, so nothing of it is judged: /etc/kubernetes/admin.conf: no YAML",
            "certificate_inventory reads them",
        ),
    ),
    "a clock that is off": (
        {"clock_offset": timedelta(seconds=-2.5)},
        ("its clock is 2.5 s behind the worker's", "check its time service: `timedatectl`"),
    ),
    "a newer kubeadm": (
        {"kubeadm": "1.38.0"},
        ("kubeadm v1.38.0 is newer than the target", "it is put back to v1.37.2"),
    ),
    "a job of ours": (
        {"jobs": ("stage-1-37-2-0a1b",)},
        ("jobs of ours run there now: stage-1-37-2-0a1b", "this run resumes them"),
    ),
}


@pytest.mark.parametrize(("changes", "caution"), MACHINE_CAUTIONS.values(), ids=MACHINE_CAUTIONS.keys())
def test_what_is_worth_a_look_on_a_machine(changes: Facts, caution: tuple[str, str]) -> None:
    """It stops nothing."""
    planned = plan(cluster(machines={"w1": changes}))
    (only,) = planned.cautions
    assert planned.refusals == ()
    assert only.subject == "w1"
    assert only.problem.startswith(caution[0])
    assert only.next_step.startswith(caution[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"os": "linuxmint", "os_like": ("ubuntu", "debian")},
        {"swap": True, "fail_swap_on": False},
        {"active": {"kubelet": True, "containerd": True, "crio": False, "docker": False}},
        {"containerd": "1.7.24"},
        {"containerd": ""},
        {"flag_files": {"/var/lib/kubelet/kubeadm-flags.env": (FLAG,)}, "kubelet_flags": (FLAG,)},
        {"clock_offset": timedelta(seconds=2)},
        {"free_bytes": {"/var/lib": 2 * GIB}},
        {"packages": packages(NEW, candidates={}, problem="404")},
        {
            "packages": packages(candidates=dict.fromkeys(("kubeadm", "kubelet"), TWO_TWO)).model_copy(
                update={"installed": {}}
            )
        },
    ],
)
def test_what_is_fine_on_a_machine(changes: Facts) -> None:
    """Neither refused nor worth a look: swap that is meant, flags that kubeadm strips, packages that are there."""
    planned = plan(cluster(machines={"w1": changes}))
    assert (planned.refusals, planned.cautions) == ((), ())


def test_a_runtime_is_asked_for_where_the_kubelet_asks_it() -> None:
    """A containerd that is installed need not run, whatever the runtime's unit is called; something has to listen."""
    crio = {"w1": {"runtime": "cri-o://1.36.0"}}
    assert plan(cluster(machines={"w1": {"active": {"containerd": False, "crio": False}}}, nodes=crio)).refusals == ()
    none = Symptom(of=RUNTIME, problem="no container runtime listens at unix:///var/run/crio/crio.sock")
    planned = plan(cluster(nodes=crio, symptoms={"w1": (none,)}))
    assert [(one.subject, one.problem) for one in planned.refusals] == [("w1", none.problem)]
    assert not [one for one in planned.cautions if none.problem in one.problem]


def test_repositories_that_were_asked_for_another_minor_say_nothing() -> None:
    """It is seen before anything stops."""
    for asked in ("1.36.4", ""):
        planned = plan(cluster(target=asked), nodes=("cp1",))
        assert [one for one in told(planned.cautions) if one[0] == "cp1"] == [
            (
                "cp1",
                "its repositories were not asked for v1.37, where v1.37.2 is",
                "whether it can be installed is seen when the packages are staged, before anything stops",
            )
        ]


def test_kubeadms_copy_of_the_etcd_directory_needs_space() -> None:
    """One and a half times its size; not on workers."""
    tight = {"etcd_bytes": 4 * GIB, "free_bytes": {"/var/lib": 9 * GIB, "/etc/kubernetes": 6 * GIB - 1}}
    assert told(plan(cluster(machines={"cp1": tight})).refusals) == [
        (
            "cp1",
            "/etc/kubernetes has 5.9 GiB free, kubeadm's copy of the etcd directory needs 6.0 GiB",
            "free space there, for example old copies in /etc/kubernetes/tmp",
        )
    ]
    enough = tight | {"free_bytes": {"/var/lib": 9 * GIB, "/etc/kubernetes": 6 * GIB}}
    assert plan(cluster(machines={"cp1": enough})).refusals == ()
    small = {"etcd_bytes": 100 * MIB, "free_bytes": {"/var/lib": 9 * GIB, "/etc/kubernetes": 149 * MIB}}
    assert "has 149.0 MiB free, kubeadm's copy of the etcd directory needs 150.0 MiB" in (
        plan(cluster(machines={"cp1": small})).refusals[0].problem
    )


@pytest.mark.parametrize(
    ("without", "missing"),
    [("etcd", "etcd"), ("kube-scheduler", "kube-scheduler"), ("kube-apiserver", "kube-apiserver")],
)
def test_a_control_plane_needs_its_manifests(without: str, missing: str) -> None:
    """Also one that is known by its role only; etcd's where the others have it."""
    refusals = told(plan(cluster(machines={"cp3": {"static_pods": static_pods(without=without)}})).refusals)
    assert (
        "cp3",
        f"no manifest of {missing}: kubeadm upgrades what it finds in /etc/kubernetes/manifests",
        "restore it (kubeadm's copies are in /etc/kubernetes/tmp), or join this control plane node again",
    ) in refusals


def test_what_was_not_found_on_a_machine_is_said() -> None:
    """Certificates elsewhere, a data directory that nobody could read: neither is none."""
    nothing = plan(cluster(machines={"cp1": {"certificates": {}, "etcd_bytes": 0}}))
    assert [(one.subject, str(one.problem)) for one in nothing.cautions] == [
        ("cp1", "how large its etcd directory is is not known, and kubeadm copies it"),
        ("cp1", "no certificate was found on it, so it is not known which of them expire"),
    ]
    external = {"static_pods": static_pods(etcd=""), "etcd_bytes": 0}
    assert "etcd directory" not in str(plan(cluster(machines={"cp1": external})).cautions)
