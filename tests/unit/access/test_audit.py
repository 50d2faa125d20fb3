"""What an audit means for the run, and what people and Prometheus read of it."""

from datetime import UTC, datetime

from tasks.access.models.audit import Audit, Finding, Judged, Severity
from tasks.access.policy.audit import judge_audit
from tasks.access.policy.metrics import to_prometheus
from tasks.access.summary import changes_words, matrix_words, network_words, sample_words, summarize_audit
from tasks.access.tables import to_rows
from tasks.network_policy.models import Canary, Enforcement, Seen, Try, Verdict

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def finding(name: str, severity: Severity, *, check: str = "exec", accepted: str = "", is_new: bool = False) -> Finding:
    """With that id."""
    return Finding(
        id=name,
        check=check,
        severity=severity,
        subject="User:ada",
        problem="it can",
        evidence="by b",
        fix="remove it",
        accepted=accepted,
        is_new=is_new,
    )


def audit(*findings: Finding, cells: tuple[Judged, ...] = (), has_policy: bool = True, compared: str = "") -> Audit:
    """With one finding that is gone, if it was compared."""
    return Audit(
        observed_at=NOW,
        bindings=4,
        subjects=3,
        findings=findings,
        cells=cells,
        has_policy=has_policy,
        compared_with=compared,
        gone=("old",) if compared else (),
        sampled=10,
        enforcement=Enforcement(reason="there is no NetworkPolicy"),
    )


def cell(right: str, *, allowed: bool | None, wanted: str = "deny", problem: str = "", namespace: str = "") -> Judged:
    """Of ada."""
    return Judged.model_validate(
        {
            "subject": "User:ada",
            "right": right,
            "allowed": allowed,
            "wanted": wanted,
            "problem": problem,
            "namespace": namespace,
        }
    )


HOLDS = cell("get pods", allowed=True, wanted="allow")


def test_a_finding_of_severity_high_refuses_and_any_other_is_a_caution() -> None:
    """Of one check in one line, the new ones first. An accepted one is neither."""
    plan = judge_audit(
        audit(
            finding("b", Severity.HIGH),
            finding("a", Severity.HIGH, is_new=True),
            finding("c", Severity.LOW),
            finding("d", Severity.HIGH, check="bind", accepted="known"),
            cells=(HOLDS,),
        )
    )
    (refusal,), (caution,) = plan.refusals, plan.cautions
    assert refusal.problem == "2 findings: new: a: it can (by b), b: it can (by b)"
    assert refusal.next_step == (
        "remove it; or accept it in the cluster's access.yaml, with a reason and a last day (docs/access.md)"
    )
    assert caution.problem == "c: it can (by b)"


def test_cells_that_fail_are_one_refusal_for_each_subject() -> None:
    """A cell that was not checked fails too: it shows nothing."""
    cells = (
        HOLDS,
        cell("get secrets", allowed=True, namespace="shop").model_copy(update={"reason": "RBAC: x"}),
        cell("list pods", allowed=False, wanted="allow"),
        cell("get podz", allowed=None, problem="no such"),
        cell("get nodes", allowed=False),
    )
    (refusal,) = judge_audit(audit(cells=cells)).refusals
    assert (refusal.subject, refusal.problem) == (
        "User:ada",
        "3 cells of the matrix fail: get secrets in shop is allowed (RBAC: x), list pods is denied, "
        "get podz was not checked (no such)",
    )


def test_what_was_not_checked_is_a_caution() -> None:
    """No policy, a policy without a right, an acceptance of nothing, nodes that did not answer."""
    without = judge_audit(audit(has_policy=False)).cautions
    assert [one.problem for one in without] == ["not checked: the cluster has no access policy"]
    empty = audit().model_copy(update={"unused": ("x",), "not_checked": ("certificates: no route",)})
    assert [one.problem for one in judge_audit(empty).cautions] == [
        "not checked: the policy has no right",
        "no finding has this id any more: x",
        "certificates: no route",
    ]


def test_the_summary_says_what_changed_and_what_was_compared() -> None:
    """Also that there is nothing to compare with, and how many answers differ."""
    found = (finding("a", Severity.LOW, is_new=True), finding("b", Severity.HIGH, check="disagrees", accepted="known"))
    one = audit(*found, cells=(HOLDS,), compared="r1")
    assert summarize_audit(one, judge_audit(one)) == (
        "1 finding among 3 subjects of 4 bindings, none of severity high; 1 accepted by the policy",
        "cells of the matrix that hold: 1 of 1",
        "since run r1: new: a; gone: old; 1 the same",
        "the API server answered 9 of 10 requests as RBAC does",
        "whether the network enforces NetworkPolicies is not known: there is no NetworkPolicy",
        "1 to check",
    )
    assert changes_words(audit()) == "there is no previous audit to compare with"
    assert changes_words(audit(compared="r1").model_copy(update={"gone": ()})) == "since run r1: 0 the same"
    assert matrix_words(audit()) == "the matrix of the access policy was not checked"
    assert sample_words(audit()) == "the API server answered 10 of 10 requests as RBAC does"


def test_the_table_has_failing_cells_first_and_accepted_findings_last() -> None:
    """With the id that the policy accepts."""
    found = (
        finding("c", Severity.HIGH, accepted="known (until 2027-01-01)"),
        finding("b", Severity.LOW),
        finding("a", Severity.HIGH, is_new=True),
    )
    rows = to_rows(
        audit(*found, cells=(HOLDS, cell("get secrets", allowed=True), cell("get x", allowed=None, problem="no x")))
    )
    assert [(one["state"], one["id"]) for one in rows] == [
        ("fails", "matrix:User:ada get secrets"),
        ("fails", "matrix:User:ada get x"),
        ("new", "a"),
        ("open", "b"),
        ("accepted", "c"),
    ]
    assert rows[0]["problem"] == "get secrets: allow, the policy wants deny"
    assert rows[1]["evidence"] == "no x"
    assert rows[-1]["fix"] == "known (until 2027-01-01)"


def test_prometheus_gets_the_counts() -> None:
    """By severity and by result, and whether the matrix was checked at all."""
    found = (finding("a", Severity.HIGH, is_new=True), finding("b", Severity.HIGH, accepted="known"))
    text = to_prometheus(audit(*found, cells=(HOLDS, cell("get secrets", allowed=True))), "prod")
    assert "# TYPE kube_runbooks_access_findings gauge" in text
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        f'kube_runbooks_access_observed_seconds{{cluster="prod"}} {int(NOW.timestamp())}',
        'kube_runbooks_access_findings{cluster="prod",severity="high"} 1',
        'kube_runbooks_access_findings{cluster="prod",severity="medium"} 0',
        'kube_runbooks_access_findings{cluster="prod",severity="low"} 0',
        'kube_runbooks_access_findings_new{cluster="prod"} 1',
        'kube_runbooks_access_matrix_checked{cluster="prod"} 1',
        'kube_runbooks_access_matrix_cells{cluster="prod",result="holds"} 1',
        'kube_runbooks_access_matrix_cells{cluster="prod",result="fails"} 1',
        'kube_runbooks_access_network_policies{cluster="prod",by="pods",result="enforced"} 0',
        'kube_runbooks_access_network_policies{cluster="prod",by="pods",result="not enforced"} 0',
        'kube_runbooks_access_network_policies{cluster="prod",by="pods",result="not known"} 1',
    ]
    shown = Canary(enforcement=Enforcement(verdict=Verdict.NOT_ENFORCED))
    text = to_prometheus(audit().model_copy(update={"canary": shown}), "prod")
    assert 'kube_runbooks_access_network_policies{cluster="prod",by="canary",result="not enforced"} 1' in text


def test_the_summary_says_whether_the_network_enforces_policies() -> None:
    """With the connections that show it; one that could not be tried is not closed."""
    seen = (Seen.DROPPED, Seen.REFUSED, Seen.UNKNOWN)
    tries = [Try(source="a", target="b", port=80, is_denied=True, seen=one) for one in seen]
    allowed = Try(source="c", target="b", port=80, seen=Seen.OPEN)
    found = Enforcement(verdict=Verdict.ENFORCED, tries=(*tries, allowed))
    one = audit().model_copy(update={"enforcement": found})
    assert network_words(one) == "NetworkPolicies are enforced: of 3 denied connections, 2 closed"


def test_the_summary_says_what_a_canary_showed() -> None:
    """Where, and how long the network took; or why it shows nothing."""
    leak = Try(source="one", target="two", port=5353, is_denied=True, seen=Seen.OPEN)

    def words(seconds: float = 0, **found: object) -> str:
        shown = Canary(enforcement=Enforcement.model_validate(found), nodes=("w1", "w2"), seconds=seconds)
        return network_words(audit().model_copy(update={"canary": shown})).partition("; ")[2]

    assert words(reason="no node") == "the canary shows nothing: no node"
    assert (
        words(verdict="not enforced", tries=(leak,))
        == "canary: not enforced between pods on w1 and w2, 1 connection stayed open"
    )
    assert (
        words(1.6, verdict="enforced")
        == "canary: enforced between pods on w1 and w2 1.6 s after the policy, and open again without it"
    )
