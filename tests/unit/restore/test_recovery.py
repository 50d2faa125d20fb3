"""Signs of life of a cluster."""

from tasks.restore.probes.recovery import LEADERS, parse_pulse, what_is_not_alive
from tests.facts.control_plane import DATA


def test_a_pulse_is_alive_when_leases_and_nodes_say_so() -> None:
    """A lease that is as it was says nothing: only a change does."""
    now = parse_pulse((DATA / "pulse.stdout").read_bytes())
    assert now.ready == {"cp1": "True", "w1": "True"}
    assert set(now.leases) == {"cp1", "w1", *LEADERS}
    earlier = now.model_copy(update={"leases": dict.fromkeys(now.leases, "earlier")})
    assert what_is_not_alive(earlier, now, ("cp1", "w1")) == {}
    assert what_is_not_alive(now, now, ("w1",)) == dict.fromkeys(["w1", *LEADERS], "has not renewed its lease")
    ill = now.model_copy(update={"ready": {"w1": "Unknown, Kubelet stopped posting"}})
    assert what_is_not_alive(earlier, ill, ("w1", "w2")) == {
        "w1": "is not Ready: Unknown, Kubelet stopped posting",
        "w2": "is not Ready: the API does not know it",
    }
