"""The tables of the version-skew policy, of kubeadm's upgrade policy, and of etcd's minimum versions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Refused
from tasks.core.models.findings import Problem
from tasks.nodes.policy.versions import (
    EtcdVersion,
    KubernetesVersion,
    chain_to,
    etcd_minor_of,
    minors_between,
    what_forbids_etcd,
    what_forbids_upgrade,
    what_is_skewed,
    what_is_skewed_beside,
)

quick = settings(deadline=None, max_examples=50)
versions = st.builds(KubernetesVersion, st.just(1), st.integers(20, 60), st.integers(0, 40))


def v(text: str) -> KubernetesVersion:
    """A version as people write it."""
    return KubernetesVersion.parse(text)


# --- reading


@quick
@given(versions)
def test_a_version_is_read_as_it_is_written(version: KubernetesVersion) -> None:
    """With and without v."""
    assert KubernetesVersion.parse(str(version)) == KubernetesVersion.parse(version.bare) == version
    assert KubernetesVersion.observed(f"{version}-eks-1a2b") == version


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v",
        "1",
        "1.37",
        "v1.37",
        "1.37.2.1",
        "1.37.2-rc.1",
        "1.37.x",
        " 1.37.2",
        "1.37.2\n",
        "V1.37.2",
        "vv1.37.2",
        "latest",
        "stable-1.37",
        "-1.37.2",
        "1.-37.2",
        "1.37.+2",
        "1,37,2",
        "1.37.2+k3s1",
        "\u0661.37.2",
        "1.37.99999",
    ],
)
def test_a_malformed_version_is_refused_with_the_value_and_the_form(text: str) -> None:
    """Also one that kubeadm would look up, such as `latest`: which version it is has to be known before."""
    with pytest.raises(Refused) as refused:
        KubernetesVersion.parse(text)
    assert refused.value.problem == f"{text!r} is not a version of Kubernetes"
    assert refused.value.hint == "write major.minor.patch of a release, for example 1.37.2 or v1.37.2"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.36.3", "v1.36.3"),
        ("1.36.3-1.1", "v1.36.3"),
        ("v1.36.3-eks-7", "v1.36.3"),
        ("v1.36.3+k3s1", "v1.36.3"),
        ("1.37.0-rc.1", "v1.37.0"),
        ("", "None"),
        ("1.36", "None"),
        ("unknown", "None"),
        ("1.36.123456", "None"),
    ],
)
def test_what_a_program_says_is_read_whatever_its_vendor_appends(text: str, version: str) -> None:
    """Or it is no version."""
    assert str(KubernetesVersion.observed(text)) == version


def test_versions_compare_by_number() -> None:
    """1.9 is older than 1.10."""
    assert v("1.9.10") < v("1.10.2") < v("1.10.10") < v("2.0.0")
    assert v("1.37.2").minor_name == "1.37"
    assert minors_between(v("1.36.9"), v("1.38.0")) == 2


# --- the version-skew policy

SKEW_TABLE = [
    ("kube-apiserver", "1.37.0", "1.36.9", ""),
    (
        "kube-apiserver",
        "1.38.0",
        "1.36.9",
        "kube-apiserver v1.38.0 is 2 minors newer than API server v1.36.9, at most 1 minor allowed",
    ),
    (
        "kube-apiserver",
        "1.35.4",
        "1.37.2",
        "kube-apiserver v1.35.4 is 2 minors older than API server v1.37.2, at most 1 minor allowed",
    ),
    ("kubelet", "1.37.9", "1.37.0", ""),
    ("kubelet", "1.34.0", "1.37.2", ""),
    ("kubelet", "1.37.0", "1.36.9", "kubelet v1.37.0 is 1 minor newer than API server v1.36.9, it must not be newer"),
    (
        "kubelet",
        "1.33.9",
        "1.37.2",
        "kubelet v1.33.9 is 4 minors older than API server v1.37.2, at most 3 minors allowed",
    ),
    ("kubelet", "1.37.0", "1.37.2 1.36.3", "kubelet v1.37.0 is 1 minor newer than API server v1.36.3, it must not be"),
    ("kubelet", "1.33.9", "1.36.3 1.37.2", "kubelet v1.33.9 is 4 minors older than API server v1.37.2, at most 3"),
    ("kube-proxy", "1.34.0", "1.37.2", ""),
    ("kube-proxy", "1.33.0", "1.37.2", "kube-proxy v1.33.0 is 4 minors older than API server v1.37.2"),
    ("kube-proxy", "1.38.0", "1.37.2", "kube-proxy v1.38.0 is 1 minor newer than API server v1.37.2"),
    ("kube-controller-manager", "1.36.0", "1.37.2", ""),
    ("kube-controller-manager", "1.35.0", "1.37.2", "kube-controller-manager v1.35.0 is 2 minors older"),
    ("kube-controller-manager", "1.37.0", "1.36.2", "it must not be newer"),
    ("kube-scheduler", "1.36.0", "1.37.2", ""),
    ("kube-scheduler", "1.37.0", "1.36.2", "kube-scheduler v1.37.0 is 1 minor newer"),
    ("cloud-controller-manager", "1.35.0", "1.37.2", "cloud-controller-manager v1.35.0 is 2 minors older"),
    ("kubectl", "1.38.0", "1.37.2", ""),
    ("kubectl", "1.36.0", "1.37.2", ""),
    ("kubectl", "1.35.0", "1.37.2", "kubectl v1.35.0 is 2 minors older than API server v1.37.2, at most 1 minor"),
    ("kubeadm", "1.37.2", "1.36.3", ""),
    ("kubeadm", "1.37.2", "1.37.3", ""),
    ("kubeadm", "1.38.0", "1.36.3", "kubeadm v1.38.0 is 2 minors newer than API server v1.36.3, at most 1 minor"),
    ("kubeadm", "1.36.3", "1.37.2", "kubeadm v1.36.3 is 1 minor older than API server v1.37.2, it must not be older"),
]


@pytest.mark.parametrize(("component", "version", "servers", "told"), SKEW_TABLE)
def test_the_version_skew_policy(component: str, version: str, servers: str, told: str) -> None:
    """Newer is measured against the oldest API server, older against the newest one."""
    problem = what_is_skewed(component, v(version), [v(server) for server in servers.split()])
    assert told in (problem.text if problem else "")
    assert bool(problem) == bool(told)


@pytest.mark.parametrize(
    ("component", "version", "kubelet", "told"),
    [
        ("kube-proxy", "1.34.0", "1.37.2", ""),
        ("kube-proxy", "1.37.0", "1.34.2", ""),
        ("kube-proxy", "1.33.0", "1.37.2", "kube-proxy v1.33.0 is 4 minors older than kubelet v1.37.2, at most 3"),
        ("kube-proxy", "1.38.0", "1.34.2", "kube-proxy v1.38.0 is 4 minors newer than kubelet v1.34.2, at most 3"),
        ("kubeadm", "1.37.2", "1.34.9", ""),
        ("kubeadm", "1.38.0", "1.34.9", "kubeadm v1.38.0 is 4 minors newer than kubelet v1.34.9, at most 3 minors"),
        ("kubeadm", "1.36.3", "1.37.2", "kubeadm v1.36.3 is 1 minor older than kubelet v1.37.2, it must not be older"),
    ],
)
def test_the_skew_beside_a_kubelet(component: str, version: str, kubelet: str, told: str) -> None:
    """Of kube-proxy and kubeadm on the same node."""
    problem = what_is_skewed_beside(component, v(version), v(kubelet))
    assert (problem.text if problem else "").startswith(told)
    assert bool(problem) == bool(told)


# --- kubeadm's upgrade policy

POLICY_TABLE = [
    ("1.36.3", "1.36.3", "1.37.2", "", ""),
    ("1.36.3", "1.36.3", "1.36.4", "", ""),
    ("1.36.3", "1.36.3", "1.36.3", "", ""),
    ("1.36.3", "1.37.2", "1.37.2", "", ""),
    ("1.36.3", "1.37.2", "1.37.3", "", ""),
    (
        "1.36.3",
        "1.36.3",
        "1.38.1",
        "v1.36.3 to v1.38.1 is 2 minor versions; kubeadm upgrades one at a time",
        "add --chain, or upgrade to the newest v1.37 first",
    ),
    ("1.34.9", "1.34.9", "1.37.2", "v1.34.9 to v1.37.2 is 3 minor versions", "the newest v1.35 first"),
    ("1.36.3", "1.37.2", "1.38.0", "v1.36.3 to v1.38.0 is 2 minor versions", "the newest v1.37 first"),
    (
        "1.37.2",
        "1.37.2",
        "1.36.3",
        "v1.36.3 is older than v1.37.2, which the control plane runs: a downgrade over minors is not supported",
        "name a newer version; the only way back is etcd_restore_from_s3 and the packages of that version",
    ),
    (
        "1.36.3",
        "1.36.3",
        "1.36.2",
        "v1.36.2 is older than v1.36.3, which the control plane runs",
        "add --allow-patch-rollback to go back to an older patch of the same minor",
    ),
    (
        "1.36.3",
        "1.37.2",
        "1.37.1",
        "v1.37.1 is older than v1.37.2, which the control plane runs in part",
        "finish that upgrade first: `kube-runbooks run rolling-upgrade CLUSTER 1.37.2`",
    ),
    (
        "1.36.3",
        "1.37.2",
        "1.36.9",
        "which the control plane runs in part",
        "finish that upgrade first: `kube-runbooks run rolling-upgrade CLUSTER 1.37.2`",
    ),
    ("1.37.2", "1.37.2", "2.0.0", "v2.0.0 is another major version than v1.37.2", "a version of the same major"),
]


@pytest.mark.parametrize(("oldest", "newest", "target", "problem", "step"), POLICY_TABLE)
def test_kubeadms_policy(oldest: str, newest: str, target: str, problem: str, step: str) -> None:
    """Forward, one minor at a time; with the way out."""
    no = what_forbids_upgrade(v(oldest), v(newest), v(target))
    assert problem in (no.text if no else "")
    assert step in (no.next_step if no else "")
    assert bool(no) == bool(problem)


@pytest.mark.parametrize(
    ("oldest", "newest", "target", "allowed"),
    [
        ("1.36.3", "1.36.3", "1.36.2", True),
        ("1.36.2", "1.36.3", "1.36.2", True),
        ("1.36.3", "1.37.2", "1.37.1", False),
        ("1.37.2", "1.37.2", "1.36.3", False),
    ],
)
def test_an_older_patch_is_allowed_by_an_option_within_a_minor_only(
    oldest: str, newest: str, target: str, *, allowed: bool
) -> None:
    """A minor is never gone back over."""
    assert (what_forbids_upgrade(v(oldest), v(newest), v(target), allow_patch_rollback=True) is None) == allowed


@quick
@given(versions, versions)
def test_what_the_policy_allows_is_one_minor_forward_at_most(
    current: KubernetesVersion, target: KubernetesVersion
) -> None:
    """For any two versions."""
    no = what_forbids_upgrade(current, current, target)
    assert (no is None) == (current <= target and minors_between(current, target) <= 1)
    assert no is None or isinstance(no, Problem)


# --- chains

NEWEST = {"1.35": "1.35.9", "1.36": "1.36.7", "1.37": "v1.37.2"}


@pytest.mark.parametrize(
    ("oldest", "target", "through"),
    [
        ("1.36.3", "1.37.1", "v1.37.1"),
        ("1.36.3", "1.36.4", "v1.36.4"),
        ("1.36.3", "1.36.3", "v1.36.3"),
        ("1.35.4", "1.37.1", "v1.36.7 v1.37.1"),
        ("1.34.4", "1.38.0", "v1.35.9 v1.36.7 v1.37.2 v1.38.0"),
        ("1.37.4", "1.36.0", "v1.36.0"),
    ],
)
def test_a_chain_goes_through_the_newest_patch_of_each_minor(oldest: str, target: str, through: str) -> None:
    """The target last; one version where no minor lies between."""
    assert " ".join(str(hop) for hop in chain_to(v(oldest), v(target), NEWEST)) == through


@pytest.mark.parametrize("newest", [{}, {"1.37": ""}, {"1.37": "1.36.9"}, {"1.37": "none"}])
def test_a_chain_over_an_unknown_minor_is_refused(newest: dict[str, str]) -> None:
    """A version is never guessed."""
    with pytest.raises(Refused, match="no version of v1.37 is known that can be installed") as refused:
        chain_to(v("1.36.3"), v("1.38.0"), newest)
    assert refused.value.hint == (
        "make the repository of v1.37 reachable from the nodes, or name a version of v1.37 yourself"
    )


@quick
@given(versions, st.integers(0, 6), st.integers(0, 9))
def test_every_hop_of_a_chain_is_allowed(start: KubernetesVersion, minors: int, patch: int) -> None:
    """By the policy for one upgrade."""
    target = KubernetesVersion(1, start.minor + minors, start.patch + patch)
    newest = {f"1.{minor}": f"1.{minor}.{minor % 7}" for minor in range(20, 70)}
    hops = chain_to(start, target, newest)
    assert hops[-1] == target
    assert all(what_forbids_upgrade(a, a, b) is None for a, b in zip((start, *hops), hops, strict=False))


# --- etcd


@pytest.mark.parametrize(
    ("kubernetes", "etcd"),
    [
        ("1.30.9", ""),
        ("1.31.0", "3.5"),
        ("1.32.0", "3.5"),
        ("1.33.9", "3.5"),
        ("1.34.0", "3.6"),
        ("1.35.4", "3.6"),
        ("1.36.3", "3.6"),
        ("1.37.2", "3.7"),
        ("1.38.0", ""),
        ("2.37.0", ""),
    ],
)
def test_the_etcd_that_kubeadm_brings(kubernetes: str, etcd: str) -> None:
    """As far as it is known here."""
    assert etcd_minor_of(v(kubernetes)) == etcd


@pytest.mark.parametrize(
    ("member", "to", "problem"),
    [
        ("3.5.25", "3.6", "etcd 3.5.25 must not go to 3.6: every member has to run 3.5.26 or newer before"),
        ("3.5.26", "3.6", ""),
        ("3.6.8-0", "3.7", "etcd 3.6.8 must not go to 3.7: every member has to run 3.6.11 or newer before"),
        ("3.6.10", "3.7", "etcd 3.6.10 must not go to 3.7: every member has to run 3.6.11 or newer before"),
        ("3.6.11", "3.7", ""),
        ("v3.6.16-0", "3.7", ""),
        ("3.5.33", "3.7", "etcd 3.5.33 to 3.7 is more than one minor"),
        ("3.6.8", "3.6", ""),
        ("3.7.1", "3.6", ""),
        ("3.7.0", "3.8", ""),
        ("3.7.0", "4.0", "etcd 3.7.0 to 4.0 is more than one minor"),
    ],
)
def test_the_minimum_before_a_minor_of_etcd(member: str, to: str, problem: str) -> None:
    """On every member, before the first one is replaced."""
    observed = EtcdVersion.observed(member)
    assert observed is not None
    found = what_forbids_etcd(observed, to)
    assert (found.text if found else "") == problem
    by_minors = "move etcd minor by minor, with --etcd-image-tag"
    assert found is None or found.next_step == (by_minors if "more than one" in problem else "")


def test_what_is_no_version_of_etcd() -> None:
    """A tag may be anything."""
    assert EtcdVersion.observed("latest") is None
    assert (str(EtcdVersion(3, 6, 11)), EtcdVersion(3, 6, 11).minor_name) == ("3.6.11", "3.6")
