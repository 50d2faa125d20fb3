"""What a plan says of symptoms that a node has already."""

from tasks.core.models.plan import Caution, Refusal
from tasks.node_work.models.health import Symptom
from tasks.node_work.policy.findings import REPAIR, findings_of_proof

GRAVE = Symptom(of="Ready", problem="not Ready: gone", grave=True)
MILD = Symptom(of="DiskPressure", problem="it has DiskPressure")


def test_what_is_grave_stops_a_run() -> None:
    """Unless the run is there to repair it: then its proof waits for it."""
    (refusal,) = findings_of_proof("w1", [GRAVE])
    assert isinstance(refusal, Refusal)
    assert (refusal.subject, refusal.problem, refusal.next_step) == ("w1", "not Ready: gone", REPAIR)
    (caution,) = findings_of_proof("w1", [GRAVE], grave_stops=False)
    assert isinstance(caution, Caution)
    assert (caution.problem, caution.lasting) == ("now: not Ready: gone", "now: Ready")


def test_what_was_there_before_is_no_reason_to_fail_afterwards() -> None:
    """Where a run has begun, only what it has written down."""
    (before,) = findings_of_proof("w1", [MILD])
    assert before.problem == "already before: it has DiskPressure"
    (known,) = findings_of_proof("w1", [MILD], known=("DiskPressure",))
    assert known == before
    (news,) = findings_of_proof("w1", [MILD], known=())
    assert news.problem == "now: it has DiskPressure"
