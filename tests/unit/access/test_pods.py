"""Findings about workloads whose pods may do more than they need, and about namespaces that could forbid it."""

from tasks.access.models.audit import Severity
from tasks.access.policy.pods import find_pods, not_checked
from tasks.pod_security.models import Level, Namespace, PodSecurity, Violation, Workload


def violation(path: str, level: Level, fix: str = "") -> Violation:
    """Of some setting that is not set."""
    return Violation(check="c", level=level, path=path, seen="not set", need="set it", fix=fix)


ROOT = violation("spec.containers[web].securityContext.runAsNonRoot", Level.RESTRICTED, "true")
HOST = violation("spec.hostPID", Level.BASELINE)


def workload(
    *violations: Violation,
    fix: str = "",
    refused: str = "",
    kind: str = "Deployment",
    owner: str = "",
    can_change: bool = True,
) -> Workload:
    """In the namespace shop."""
    return Workload(
        kind=kind,
        owner=owner,
        owner_way="helm upgrade" if owner else "",
        can_change=can_change,
        namespace="shop",
        name="web",
        path="/p",
        template=("spec", "template"),
        violations=violations,
        fix=fix,
        fix_refused=refused,
    )


def test_a_workload_is_a_finding_of_the_first_level_that_it_violates() -> None:
    """With the settings, and how much harm they allow."""
    (low,) = find_pods(PodSecurity(workloads=(workload(ROOT),)))
    assert (low.id, low.severity) == ("pods-restricted:shop/deployment/web", Severity.LOW)
    assert low.evidence == "spec.containers[web].securityContext.runAsNonRoot is not set: set it"
    (medium,) = find_pods(PodSecurity(workloads=(workload(ROOT, HOST),)))
    assert (medium.id, medium.severity) == ("pods-baseline:shop/deployment/web", Severity.MEDIUM)
    assert medium.evidence == "spec.hostPID is not set: set it"


def test_the_fix_is_the_patch_that_the_api_server_took_and_what_people_must_do() -> None:
    """Or by hand, with the reason of the API server."""
    fixes = {
        one.fix
        for given in (
            workload(ROOT, fix='{"spec":{}}'),
            workload(ROOT, HOST, fix='{"spec":{}}'),
            workload(HOST),
            workload(ROOT, refused="a webhook says no"),
            workload(ROOT),
            workload(ROOT, kind="Job", can_change=False),
            workload(ROOT, owner="Helm"),
        )
        for one in find_pods(PodSecurity(workloads=(given,)))
    }
    patch = "`kubectl -n shop patch deployment web --patch '{\"spec\":{}}'`, if its image can run so"
    assert fixes == {
        patch,
        f"{patch}; and by hand: spec.hostPID: set it",
        "by hand: spec.hostPID: set it",
        f"by hand: {ROOT.path}: set it; the API refuses a patch: a webhook says no",
        f"by hand: {ROOT.path}: set it",
        f"create it again, because a Job cannot be changed: {ROOT.path}: set it",
        f"Helm owns it: helm upgrade; {ROOT.path}: set it",
    }


def test_a_namespace_that_could_enforce_more_is_a_finding() -> None:
    """With the answer of the API server to a dry run of the label."""
    free = Namespace(name="shop", could_enforce=Level.BASELINE)
    (found,) = find_pods(PodSecurity(namespaces=(free,)))
    assert found.id == "pods-not-enforced:shop"
    assert found.fix == "`kubectl label --overwrite namespace shop pod-security.kubernetes.io/enforce=baseline`"
    assert found.evidence == "the API server has no warning about it (dry run)"
    (found,) = find_pods(PodSecurity(namespaces=(free.model_copy(update={"warnings": ("pod p: hostPort",)}),)))
    assert found.evidence == "the API server warns: pod p: hostPort"
    assert found.fix.endswith("=baseline`, after these pods are gone")
    (found,) = find_pods(PodSecurity(namespaces=(free.model_copy(update={"label_refused": "403 forbidden"}),)))
    assert found.evidence == "whether it has pods that it would refuse is not known: 403 forbidden"
    assert found.fix.endswith("=baseline`")
    assert not list(find_pods(PodSecurity(workloads=(workload(),), namespaces=(Namespace(name="a"),))))


def test_a_namespace_that_would_refuse_new_pods_of_its_workloads_is_a_finding() -> None:
    """The label came later than they did. By the rules of an older version nobody knows."""
    strict = Namespace(name="shop", enforces=Level.RESTRICTED, could_enforce=Level.BASELINE)
    facts = PodSecurity(workloads=(workload(ROOT),), namespaces=(strict, Namespace(name="other")))
    found = {one.check: one for one in find_pods(facts)}
    assert set(found) == {"pods-restricted", "pods-refused"}
    assert found["pods-refused"].problem == "it enforces restricted, and would refuse new pods of 1 workload"
    assert found["pods-refused"].evidence == "shop/deployment/web"
    older = strict.model_copy(update={"version": "v1.30"})
    assert [one.check for one in find_pods(PodSecurity(workloads=(workload(ROOT),), namespaces=(older,)))] == [
        "pods-restricted"
    ]


def test_patches_that_were_not_tried_are_said() -> None:
    """There may be too many of them."""
    assert not_checked(PodSecurity()) == ()
    assert not_checked(PodSecurity(untried=2)) == (
        "the patches of 2 workloads: the API server is asked about 500 in one audit",
    )
