"""Signs of life of a cluster."""

import json

from tasks.restore.models import LEADERS
from tasks.restore.probes.recovery import Pulse, pulse_of, what_is_not_alive
from tests.facts.control_plane import DATA


def recorded() -> Pulse:
    """As the API of a kubeadm cluster had it: three lists, one after the other."""
    text, found = (DATA / "pulse.stdout").read_text(), []
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        found += value["items"]
        text = text[end:]
    nodes, leases = ([one for one in found if one["kind"] == kind] for kind in ("Node", "Lease"))
    return pulse_of(nodes, leases)


def test_a_node_that_says_nothing_of_itself_is_not_ready() -> None:
    """It was made, and its kubelet has not come."""
    made = {
        "kind": "Node",
        "metadata": {"name": "w1"},
        "status": {"conditions": [{"type": "DiskPressure", "status": "False"}]},
    }
    assert pulse_of([made], []).ready == {"w1": "it has no condition Ready"}


def test_a_pulse_is_alive_when_leases_and_nodes_say_so() -> None:
    """A lease that is as it was says nothing: only a change does."""
    now = recorded()
    assert now.ready == {"cp1": "True", "w1": "True"}
    assert set(now.leases) == {"cp1", "w1", *LEADERS}
    earlier = now.model_copy(update={"leases": dict.fromkeys(now.leases, "earlier")})
    assert what_is_not_alive(earlier, now, ("cp1", "w1")) == {}
    assert what_is_not_alive(now, now, ("w1",)) == dict.fromkeys(["w1", *LEADERS], "has not renewed its lease")
    ill = now.model_copy(update={"ready": {"w1": "Unknown, Kubelet stopped posting"}})
    assert what_is_not_alive(earlier, ill, ("w1", "w2")) == {
        "w1": "is not Ready: Unknown, Kubelet stopped posting",
        "w2": "is not Ready: no Node object with this name",
    }
