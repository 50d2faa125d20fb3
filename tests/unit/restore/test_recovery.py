"""Signs of life of a cluster."""

import json
import subprocess

import pytest

from tasks.core.errors import NotYet
from tasks.restore.probes.recovery import LEADERS, parse_pulse, take_pulse, what_is_not_alive
from tests.facts.control_plane import DATA


def test_a_pulse_is_taken_of_nodes_their_leases_and_the_leaders() -> None:
    """By a kubectl that says what it was asked: one whose API does not answer is no pulse."""
    kubectl = "kubectl() { printf '%s\\n' \"${*#*--request-timeout=20s }\"; }\n"
    done = subprocess.run(["sh", "-c", kubectl + take_pulse()], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "get nodes -o json",
        "get leases -n kube-node-lease -o json",
        f"get leases -n kube-system {' '.join(LEADERS)} --ignore-not-found -o json",
    ]
    failed = subprocess.run(["sh", "-c", "kubectl() { return 1; }\n" + take_pulse()], check=False)
    assert failed.returncode == 1


@pytest.mark.parametrize("text", ["{", "The connection was refused", "[" * 100_000])
def test_what_is_no_json_may_be_some_a_little_later(text: str) -> None:
    """An API server that has just started."""
    with pytest.raises(NotYet, match="kubectl printed no JSON"):
        parse_pulse(text.encode())


def test_a_node_that_says_nothing_of_itself_is_not_ready() -> None:
    """It was made, and its kubelet has not come."""
    made = {
        "kind": "Node",
        "metadata": {"name": "w1"},
        "status": {"conditions": [{"type": "DiskPressure", "status": "False"}]},
    }
    assert parse_pulse(json.dumps(made).encode()).ready == {"w1": "it has no condition Ready"}


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
