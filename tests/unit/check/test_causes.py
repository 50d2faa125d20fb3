"""A cause is told once: what depends on it was not checked, and says why."""

from tasks.check.models import Finding, State
from tasks.check.policy.causes import told_once

LOGIN = "keys ssh.key, ssh.known_hosts"


def finding(name: str, state: State, *needs: str, told: str = "broken") -> Finding:
    """By area and subject."""
    area, _, subject = name.partition(" ")
    fix = "" if state is State.OK else "mend it"
    return Finding(area=area, subject=subject, state=state, told=told, fix=fix, needs=needs)


def test_a_cause_goes_through_to_the_last_that_depends_on_it() -> None:
    """By an area with its subject, and by a whole area of which nothing works."""
    found = told_once(
        [
            finding(LOGIN, State.FAIL, told="/known_hosts does not exist"),
            finding("ssh cp1", State.FAIL, LOGIN),
            finding("ssh cp2", State.FAIL, LOGIN),
            finding("api cp1", State.FAIL, "ssh cp1", "sudo cp1"),
            finding("rights all", State.WARN, "api"),
            finding("bucket b", State.FAIL, "keys store.access_key"),
        ]
    )
    assert [one.state for one in found] == [State.FAIL, *[State.NOT_CHECKED] * 4, State.FAIL]
    assert {(one.told, one.fix) for one in found[1:5]} == {("not checked: /known_hosts does not exist", "")}
    assert (found[0].fix, found[5].fix) == ("mend it", "mend it")


def test_what_works_all_the_same_was_checked() -> None:
    """One of an area that works is enough for what needs the area, and a need that works explains no failure."""
    given = [
        finding("ssh cp1", State.FAIL, told="no connection"),
        finding("ssh cp2", State.OK),
        finding("etcd members", State.FAIL, "ssh"),
        finding("etcd m2", State.FAIL, "ssh cp2"),
        finding("api cp1", State.OK, "ssh cp1"),
    ]
    found = told_once([*given, finding("api cp3", State.FAIL, "ssh cp2", "ssh cp1")])
    assert found[:5] == tuple(given)
    assert (found[5].state, found[5].told) == (State.NOT_CHECKED, "not checked: ssh cp1: no connection")
