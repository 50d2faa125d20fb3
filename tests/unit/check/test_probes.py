"""Answers of nodes and of the API, as they come."""

import subprocess

import pytest

from tasks.check.models import Right
from tasks.check.probes.access import is_allowed, review_of, user_in
from tasks.check.probes.login import look_at_login, parse_login
from tasks.core.errors import NotYet


def test_the_question_runs_in_a_shell_and_its_answer_is_understood() -> None:
    """On this machine, as whoever runs the tests."""
    done = subprocess.run(["/bin/sh", "-c", look_at_login()], capture_output=True, check=True)
    who = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert parse_login("cp1", done.stdout).user == who


def test_a_shell_that_nobody_names_is_told_and_no_user_is_no_answer() -> None:
    """getent is not everywhere."""
    assert parse_login("cp1", b"uid 1000\nuser ops\nshell \n").shell == "a shell that the user database does not name"
    with pytest.raises(NotYet, match="cp1: `id -u` does not say who runs commands there: 'welcome'"):
        parse_login("cp1", b"welcome\n")


def test_a_right_becomes_a_review() -> None:
    """A subresource apart from its kind; a path is no resource."""
    evict = review_of(Right(verb="create", resource="pods/eviction", namespace="x"))
    expected = {"verb": "create", "resource": "pods", "subresource": "eviction", "namespace": "x"}
    assert evict["spec"] == {"resourceAttributes": expected}
    metrics = review_of(Right(verb="get", path="/metrics"))
    assert metrics["spec"] == {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}


def test_an_answer_says_yes_no_or_nothing() -> None:
    """What is not understood is no permission."""
    assert is_allowed({"status": {"allowed": True}})
    assert not is_allowed({"status": {"allowed": False, "reason": "no"}})
    with pytest.raises(NotYet, match="the answer to POST .*selfsubjectaccessreviews could not be parsed"):
        is_allowed({"kind": "Status"})
    assert user_in({"status": {"userInfo": {"username": "ops"}}}) == "ops"
