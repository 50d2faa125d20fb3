"""What of a control plane's manifests an upgrade would take away, as a plan tells it."""

from tasks.upgrade.models.manifests import NodeManifests, PodShape, StaticManifest
from tasks.upgrade.models.upgrade import ClusterFacts
from tests.facts import etcd as etcd_facts
from tests.facts.upgrade import CONTROL_PLANES, GIB, cluster, manifest, manifests, members, upgraded
from tests.facts.upgrade_plan import plan, told

GIVE_IT = (
    "set it in kubeadm-config: extraArgs, extraVolumes and extraEnvs of ClusterConfiguration "
    "(`kubectl -n kube-system edit configmap kubeadm-config`)"
)

ENCRYPTED = PodShape(flags={"encryption-provider-config": ("/etc/kubernetes/enc.yaml",), "profiling": ("false",)})


def manifests_of(**changed: NodeManifests) -> ClusterFacts:
    """A good cluster, with other manifests on some of its nodes."""
    return cluster(manifests=tuple(changed.get(name) or manifests(name) for name in CONTROL_PLANES))


def test_encryption_that_kubeadm_config_does_not_give_refuses_the_upgrade() -> None:
    """Without it the new API server could not read the Secrets; with it in kubeadm-config nothing is lost."""
    changed = manifests("cp2", manifest("kube-apiserver", ENCRYPTED))
    planned = plan(manifests_of(cp2=changed))
    lost = "kubeadm would write kube-apiserver without --encryption-provider-config=/etc/kubernetes/enc.yaml"
    harm = "the new API server could not read the Secrets that are encrypted"
    assert told(planned.refusals) == [("cp2", f"{lost}: {harm}", GIVE_IT)]
    assert plan(manifests_of(cp2=manifests("cp2", manifest("kube-apiserver", ENCRYPTED, ENCRYPTED)))).refusals == ()
    assert plan(manifests_of(cp2=changed), nodes=("w1",)).refusals[0].subject == "options.nodes"


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
    does_not = "kubeadm-config does not set it, and this runbook applies no --patches"
    step = f"{GIVE_IT}; what has no place there, write again after the upgrade"
    assert told(planned.cautions) == [
        ("etcd", f"kubeadm takes away --profiling=false (cp3): {does_not}", step),
        (
            "kube-scheduler",
            f"kubeadm takes away --profiling=false (cp1, cp2, cp3); --v=1 (cp3): {does_not}",
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
    assert refusal.problem.endswith("nobody knows what kubeadm would take away: it is no YAML: line 3")
    none = plan(manifests_of(cp1=NodeManifests(node="cp1", problem="sshd is away"))).refusals
    assert told(none) == [("cp1", "its manifests could not be read: sshd is away", "repair that, then plan again")]
    silent = cluster(manifests=tuple(manifests(name) for name in ("cp1", "cp2")))
    assert plan(silent).refusals[0].problem == "its manifests could not be read: there are none"
    unknown = "kubeadm could not render its manifests: there is no kubeadm"
    seen = plan(manifests_of(cp1=manifests("cp1", problem="there is no kubeadm")))
    assert (seen.refusals, [(one.subject, one.problem) for one in seen.cautions]) == ((), [("cp1", unknown)])
    encrypted = manifests("cp1", manifest("kube-apiserver", ENCRYPTED), problem="there is no kubeadm")
    refused = plan(manifests_of(cp1=encrypted.model_copy(update={"manifests": encrypted.manifests}))).refusals
    assert f"{unknown}; it may take --encryption-provider-config away" in [one.problem for one in refused]
