"""What of a control plane's manifests an upgrade would take away, as a plan tells it."""

from tasks.upgrade.models.manifests import NodeManifests, PodShape, SecretRead, StaticManifest
from tasks.upgrade.models.upgrade import ClusterFacts
from tests.facts import etcd as etcd_facts
from tests.facts.upgrade import ALL, GIB, cluster, kubelet_of, manifest, manifests, members, upgraded
from tests.facts.upgrade_plan import plan, told

GIVE_IT = (
    "set it in kubeadm-config: extraArgs, extraVolumes and extraEnvs of ClusterConfiguration "
    "(`kubectl -n kube-system edit configmap kubeadm-config`), or as a patch in the folder upgrade.patches of the profile"
)

ENCRYPTED = PodShape(flags={"encryption-provider-config": ("/etc/kubernetes/enc.yaml",), "profiling": ("false",)})


def manifests_of(**changed: NodeManifests) -> ClusterFacts:
    """A good cluster, with other manifests on some of its nodes."""
    return cluster(manifests=tuple(changed.get(name) or manifests(name) for name in ALL))


def test_encryption_that_kubeadm_config_does_not_give_refuses_the_upgrade() -> None:
    """Without it the new API server could not read the Secrets; with it in kubeadm-config nothing is lost."""
    changed = manifests("cp2", manifest("kube-apiserver", ENCRYPTED))
    planned = plan(manifests_of(cp2=changed))
    lost = "kubeadm would write kube-apiserver without --encryption-provider-config=/etc/kubernetes/enc.yaml"
    harm = "the new API server could not read the Secrets that are encrypted"
    assert told(planned.refusals) == [("cp2", f"{lost}: {harm}", GIVE_IT)]
    assert plan(manifests_of(cp2=manifests("cp2", manifest("kube-apiserver", ENCRYPTED, ENCRYPTED)))).refusals == ()
    assert plan(manifests_of(cp2=changed), nodes=("w1",)).refusals[0].subject == "--nodes"


def test_what_else_kubeadm_takes_away_is_a_row_for_each_component() -> None:
    """With the nodes that have it; one that is not upgraded by kubeadm keeps it."""
    profiling, quiet = PodShape(flags={"profiling": ("false",)}), PodShape(flags={"profiling": ("false",), "v": ("1",)})
    bare = PodShape()
    facts = manifests_of(
        cp1=manifests("cp1", manifest("kube-scheduler", profiling, bare)),
        cp2=manifests("cp2", manifest("kube-scheduler", profiling, bare)),
        cp3=manifests("cp3", manifest("kube-scheduler", quiet, bare), manifest("etcd", profiling, bare)),
    )
    planned = plan(facts)
    assert planned.refusals == ()
    does_not = "kubeadm-config does not set it, and the profile has no upgrade.patches"
    step = f"{GIVE_IT}; what has no place there, write again after the upgrade"
    assert told(planned.cautions) == [
        ("etcd", f"kubeadm removes --profiling=false (cp3): {does_not}", step),
        (
            "kube-scheduler",
            f"kubeadm removes --profiling=false (cp1, cp2, cp3); --v=1 (cp3): {does_not}",
            step,
        ),
    ]
    done = facts.model_copy(update={"nodes": cluster(machines=upgraded("cp3"), nodes=upgraded("cp3")).nodes})
    done = done.model_copy(update={"api": cluster(nodes=upgraded("cp3")).api})
    assert [one.subject for one in plan(done).cautions] == ["kube-scheduler"]


def test_a_quota_that_the_database_needs_is_kept_or_nothing_is_done() -> None:
    """By the size that the member of that very node tells."""
    quota = PodShape(flags={"quota-backend-bytes": ("8589934592",)})
    changed = manifests("cp1", manifest("etcd", quota, PodShape()))
    small = plan(manifests_of(cp1=changed))
    assert (small.refusals, [one.subject for one in small.cautions]) == ((), ["etcd"])
    large = etcd_facts.member("cp1", version="3.6.16", db_size=3 * GIB)
    facts = manifests_of(cp1=changed).model_copy(update={"etcd": cluster(etcd=members(cp1=large)).etcd})
    assert [one.subject for one in plan(facts).refusals] == ["cp1"]
    unknown = facts.model_copy(update={"etcd": cluster(etcd=()).etcd})
    assert [one.subject for one in plan(unknown).refusals] == ["etcd"]


def test_a_manifest_that_is_not_understood_is_no_manifest_without_flags() -> None:
    """Nor is one that was not read, nor one beside which nothing could be rendered."""
    broken = StaticManifest(component="kube-apiserver", problem="it is no YAML: line 3")
    (refusal,) = plan(manifests_of(cp1=manifests("cp1", broken))).refusals
    assert refusal.subject == "cp1"
    assert refusal.problem.endswith("it is not known what kubeadm would remove: it is no YAML: line 3")
    unread = "what kubeadm writes there could not be read: "
    none = plan(manifests_of(cp1=NodeManifests(node="cp1", unread="sshd is away"))).refusals
    assert told(none) == [("cp1", f"{unread}sshd is away", "repair that, then plan again")]
    silent = cluster(manifests=tuple(manifests(name) for name in ("cp1", "cp2", "w1")))
    assert [(one.subject, one.problem) for one in plan(silent).refusals] == [
        ("cp3", f"{unread}it was not read"),
        ("w2", f"{unread}it was not read"),
    ]
    empty = manifests("cp1", manifests=())
    assert plan(manifests_of(cp1=empty)).refusals[0].problem == f"{unread}there are no manifests of static pods"
    unknown = "kubeadm could not render what it writes there: there is no kubeadm"
    seen = plan(manifests_of(cp1=manifests("cp1", problem="there is no kubeadm")))
    assert (seen.refusals, [(one.subject, one.problem) for one in seen.cautions]) == ((), [("cp1", unknown)])
    encrypted = manifests("cp1", manifest("kube-apiserver", ENCRYPTED), problem="there is no kubeadm")
    refused = plan(manifests_of(cp1=encrypted.model_copy(update={"manifests": encrypted.manifests}))).refusals
    assert f"{unknown}; it may remove --encryption-provider-config" in [one.problem for one in refused]


def test_the_kubelets_configuration_is_a_row_with_the_nodes() -> None:
    """Workers, too; what keeps a kubelet from working is refused."""
    w1 = manifests("w1", kubelet_of({"maxPods": "55", "cgroupDriver": "systemd"}, cgroupDriver="systemd"))
    planned = plan(manifests_of(w1=w1))
    assert planned.refusals == ()
    assert told(planned.cautions) == [
        (
            "kubelet's configuration",
            "kubeadm removes maxPods: 55 (w1): kubelet-config does not set it, and the profile has no upgrade.patches",
            "set it in kube-system/kubelet-config (`kubectl -n kube-system edit configmap kubelet-config`), or as "
            "kubeletconfiguration*.yaml in the folder upgrade.patches of the profile",
        )
    ]
    other = manifests("w1", kubelet_of({"cgroupDriver": "cgroupfs"}, cgroupDriver="systemd"))
    (refusal,) = plan(manifests_of(w1=other)).refusals
    assert refusal.problem == (
        "kubeadm would write kubelet without cgroupDriver: cgroupfs (kubeadm writes systemd): the new kubelet would not start "
        "pods: its container runtime has another cgroup driver"
    )
    (unread,) = plan(manifests_of(w1=NodeManifests(node="w1", unread="sshd is away"))).refusals
    assert unread.problem == "what kubeadm writes there could not be read: sshd is away"
    broken = StaticManifest(component="kubelet", problem="it is no YAML")
    (refusal,) = plan(manifests_of(w1=manifests("w1", broken))).refusals
    assert refusal.problem.startswith("/var/lib/kubelet/config.yaml could not be parsed")
    (caution,) = plan(manifests_of(w1=manifests("w1", problem="no such socket"))).cautions
    assert "`kubeadm init phase kubelet-start --dry-run`" in caution.next_step


def test_a_kubelet_that_does_not_read_what_kubeadm_writes() -> None:
    """Static pods elsewhere: nothing would be upgraded. Its configuration elsewhere: a person compares."""
    elsewhere = manifests("cp1", read_from="/srv/manifests")
    (refusal,) = plan(manifests_of(cp1=elsewhere)).refusals
    assert refusal.problem == (
        "its kubelet takes static pods from /srv/manifests, and kubeadm writes them to /etc/kubernetes/manifests: nothing would "
        "be upgraded"
    )
    (caution,) = plan(manifests_of(w1=manifests("w1", configured_by="/etc/kubelet.yaml"))).cautions
    assert caution.problem.startswith(
        "its kubelet reads /etc/kubelet.yaml, and kubeadm writes /var/lib/kubelet/config.yaml"
    )


def test_a_secret_that_is_not_read_before_proves_nothing_afterwards() -> None:
    """Said of each API server that is replaced."""
    read = (SecretRead(node="cp1", secret="a/b"), SecretRead(node="cp2", problem="403 forbidden"))
    cautions = plan(cluster(secrets=read)).cautions
    told_of = "its API server reads no Secret now, so nothing proves that the new one does: "
    assert {one.subject: str(one.problem) for one in cautions} == {
        "cp2": f"{told_of}403 forbidden",
        "cp3": f"{told_of}it was not asked",
    }
