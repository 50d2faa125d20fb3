"""What the API has to allow: a finding for each runbook, and no kind of object that our code uses is forgotten."""

import re
from pathlib import Path

import flows
from tasks.check.models import Right, State
from tasks.check.policy.rights import OF_OPTIONS, RIGHTS, all_rights, judge_rights

ROOT = Path(__file__).parents[3]
KIND = re.compile(r"[\"{/](?:/api/v1|/apis/[a-z0-9.]+/v\d\w*)(?:/namespaces/[^/\"]+)?/([a-z]+)")
ASKED_OF_THE_API_ALONE = {"selfsubjectreviews", "selfsubjectaccessreviews"}
"""Whom it sees in somebody and what that one may do, it tells everybody."""


def test_a_runbook_that_may_do_all_is_fine_and_another_one_names_what_is_missing() -> None:
    """With the next step, and every missing right once."""
    patch = Right(verb="patch", resource="nodes")
    evict = Right(verb="create", resource="pods/eviction")
    found = {one.subject: one for one in judge_rights([evict, patch], "ops")}
    assert found.keys() == {name.replace("_", "-") for name in (*RIGHTS, *OF_OPTIONS)}
    assert found["access-audit --canary"].state is State.OK
    assert (found["certificate-inventory"].state, found["certificate-inventory"].fix) == (State.OK, "")
    assert found["node-drain"].state is State.FAIL
    assert found["node-drain"].told == "ops may not: patch nodes; create pods/eviction"
    assert "ClusterRole" in found["node-drain"].fix


def test_a_long_list_is_cut() -> None:
    """Who may do nothing needs no list of fifty rights."""
    (drain,) = [one for one in judge_rights(all_rights(), "ops") if one.subject == "node-drain"]
    assert "; and " in drain.told
    assert len(drain.told) < 800


def test_a_right_is_told_as_kubectl_would() -> None:
    """Kind, group, subresource, name, namespace; or a path."""
    lease = Right(verb="update", resource="leases", group="coordination.k8s.io", namespace="kube-system", name="x")
    approve = Right(verb="update", resource="certificatesigningrequests/approval", group="certificates.k8s.io")
    assert lease.in_words == "update leases.coordination.k8s.io x in kube-system"
    assert approve.in_words == "update certificatesigningrequests.certificates.k8s.io/approval"
    assert Right(verb="get", path="/metrics").in_words == "get /metrics"


def test_rights_are_of_runbooks_that_there_are() -> None:
    """A runbook that is renamed takes its rights along. Who lacks those of an option is only warned."""
    there = {file.stem for file in Path(str(flows.__file__)).parent.glob("[a-z]*.py")}
    assert RIGHTS.keys() <= there
    assert {name.partition(" ")[0] for name in OF_OPTIONS} <= there
    options = judge_rights(all_rights(), "ops")[len(RIGHTS) :]
    assert {one.state for one in options} == {State.WARN}


def test_every_kind_of_object_that_a_path_in_our_code_names_is_asked_for() -> None:
    """A new path is a new right."""
    texts = [file.read_text() for file in (ROOT / "tasks").rglob("*.py")]
    named = {kind for text in texts for kind in KIND.findall(text)} - ASKED_OF_THE_API_ALONE - {"namespaces"}
    assert {"pods", "nodes", "poddisruptionbudgets"} <= named
    assert named - {right.resource.partition("/")[0] for right in all_rights()} == set()
