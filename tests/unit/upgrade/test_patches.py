"""The folder of patches that kubeadm is given: there, and the same on all control plane nodes."""

from pathlib import PurePosixPath

from tasks.core.models.profile import UpgradeRules
from tasks.upgrade.models.manifests import Patches, PodShape
from tasks.upgrade.models.upgrade import ClusterFacts, UpgradePlan
from tasks.upgrade.policy.patches import what_changed_since
from tests.facts.upgrade import ALL, cluster, manifest, manifests
from tests.facts.upgrade_plan import plan, told

FOLDER = "/etc/kubernetes/patches"
RULES = UpgradeRules(patches=PurePosixPath(FOLDER))
GOOD = Patches(files={"etcd.yaml": "1", "kube-apiserver.yaml": "2"})
NONE = Patches(problem=f"there is no folder {FOLDER}")
STEP = "make the folder the same on all control plane nodes, or correct upgrade.patches"


def facts(**changed: Patches | None) -> ClusterFacts:
    """A good cluster; the workers have no patches."""
    found = {name: changed.get(name, GOOD if name.startswith("cp") else NONE) for name in ALL}
    return cluster(manifests=tuple(manifests(name, patches=patches) for name, patches in found.items()))


def planned(**changed: Patches | None) -> UpgradePlan:
    """With the folder in the profile."""
    return plan(facts(**changed), rules=RULES)


def test_the_same_patches_are_part_of_the_plan() -> None:
    """Without a folder in the profile nothing is asked for, and nothing is in it."""
    good = planned()
    assert (good.refusals, good.cautions, good.patches) == ((), (), GOOD.files)
    other = planned(**dict.fromkeys(("cp1", "cp2", "cp3"), Patches(files={"etcd.yaml": "3"})))
    assert other.patches == {"etcd.yaml": "3"}
    assert plan(cluster()).patches == {}


def test_a_folder_that_is_missing_or_not_the_same_is_refused() -> None:
    """Each file and node by its name."""
    other = Patches(files={"etcd.yaml": "9", "mine.yaml": "3"})
    assert sorted(told(planned(cp2=other, cp3=None).refusals)) == [
        (
            "cp2",
            f"upgrade.patches {FOLDER}: kube-apiserver.yaml is missing, mine.yaml is there, etcd.yaml differs: not as on cp1",
            STEP,
        ),
        ("cp3", f"upgrade.patches {FOLDER}: it could not be read, or is empty", STEP),
    ]
    assert [one.problem for one in planned(cp1=NONE, cp2=NONE, cp3=NONE).refusals] == [
        f"upgrade.patches {FOLDER}: there is no folder {FOLDER}"
    ] * 3


def test_workers_need_it_for_what_is_written_there() -> None:
    """Patches of kubelets' configuration."""
    kubelets = Patches(files={"kubeletconfiguration.yaml": "1"})
    control_planes = dict.fromkeys(("cp1", "cp2", "cp3"), kubelets)
    assert [one.subject for one in planned(**control_planes).refusals] == ["w1", "w2"]
    assert planned(**control_planes, w1=kubelets, w2=kubelets).refusals == ()


def test_what_kubeadm_takes_away_says_which_patches_there_are() -> None:
    """Not that the profile has none."""
    lost = manifests("cp1", manifest("etcd", rendered=PodShape(flags={"v": ("1",)})), patches=GOOD)
    gone = facts().model_copy(update={"manifests": (lost, *facts().manifests[1:])})
    (caution,) = plan(gone, rules=RULES).cautions
    assert caution.problem.endswith(f"kubeadm-config does not set it, nor a patch in {FOLDER}")


def test_patches_that_are_not_those_of_the_plan_start_no_kubeadm() -> None:
    """An hour may have passed. A worker's are its own."""
    seen = manifests("cp1", patches=GOOD)
    assert what_changed_since(seen, GOOD.files, control_plane=True) is None
    assert what_changed_since(seen, {}, control_plane=True) is None
    assert what_changed_since(seen, {"etcd.yaml": "9"}, control_plane=False) is None
    changed = what_changed_since(seen, {"etcd.yaml": "1"}, control_plane=True)
    assert str(changed) == "its patches are not those of the plan: kube-apiserver.yaml is there"
    gone = what_changed_since(manifests("cp1", patches=NONE), GOOD.files, control_plane=True)
    assert str(gone).endswith(f"there is no folder {FOLDER}")
    silent = what_changed_since(manifests("cp1"), GOOD.files, control_plane=True)
    assert str(silent).endswith("they could not be read")
