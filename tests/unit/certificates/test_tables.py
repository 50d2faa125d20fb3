"""An inventory as a table."""

from datetime import timedelta

from tasks.certificates.models.inventory import NodeCertificates, Served
from tasks.certificates.tables import to_certificate_rows
from tests.facts.certificates import NOW, certificate, changed, control_plane, inventory


def test_the_table_says_of_each_where_it_is_served_and_what_is_in_no_file() -> None:
    """What ends first is on top; what is made in memory, and what did not answer, come last."""
    own = certificate("x", fingerprint="memory", self_signed=True, subject="CN=cp1@1")
    odd = certificate("", "", path="apiservices/x", problem="it is not a PEM certificate", not_after=None)
    node = changed(control_plane(), "etcd-peer", fingerprint="new", not_after=NOW + timedelta(days=1))
    memory = Served(port=10257, name="kube-controller-manager", certificate=own)
    silent = Served(port=10250, name="kubelet", path="/x", problem="it presents no certificate")
    node = node.model_copy(update={"served": (*node.served, memory, silent)})
    rows = to_certificate_rows(inventory(node, NodeCertificates(name="w1", unreached="no route"), objects=(odd,)))
    assert rows[0]["state"] == "it is not a PEM certificate"
    assert (rows[1]["name"], rows[1]["on the wire"], rows[1]["key matches"]) == (
        "etcd-peer",
        "2380: ANOTHER ONE",
        "yes",
    )
    assert {row["on the wire"] for row in rows if row.get("name") == "apiserver"} == {"6443"}
    assert {row["signed by the CA on disk"] for row in rows if row.get("name") == "ca"} == {"itself"}
    assert "made in memory at its start, signed by itself; CN=cp1@1" in str(rows[-3]["state"])
    assert [row["state"] for row in rows[-2:]] == ["it presents no certificate", "not reached: no route"]
