"""What people read first of an inventory."""

from datetime import timedelta

from tasks.certificates.models.inventory import Served
from tasks.certificates.summary import summarize_inventory
from tasks.core.models.plan import Plan
from tests.facts.certificates import NOW, certificate, changed, control_plane, inventory


def test_the_summary_names_the_first_one_to_end() -> None:
    """And what no file has."""
    memory = Served(port=10259, name="kube-scheduler", certificate=certificate("x"))
    node = changed(control_plane(), "apiserver", not_after=NOW + timedelta(days=40))
    facts = inventory(node.model_copy(update={"served": (memory,)}))
    lines = summarize_inventory(facts, Plan())
    assert "the first one to expire: cp1: /etc/kubernetes/pki/apiserver.crt, 2027-01-04 12:00 UTC" in lines
    assert "made in memory at each start, and in no file: kube-scheduler at 10259" in lines
