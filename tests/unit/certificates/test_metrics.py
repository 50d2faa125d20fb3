"""What Prometheus is told of an inventory."""

from datetime import timedelta

from tasks.certificates.models.inventory import Kind, NodeCertificates, Served
from tasks.certificates.policy.metrics import to_prometheus
from tests.facts.certificates import NOW, certificate, changed, control_plane, inventory


def test_prometheus_is_told_ends_and_what_is_on_the_wire() -> None:
    """In its text format; a label may have any character."""
    node = changed(control_plane(), "apiserver", fingerprint="new")
    strange = certificate("", "", path='a"b\\c', kind=Kind.TRUST)
    damaged = strange.model_copy(update={"not_after": None, "path": "damaged"})
    silent = Served(port=10250, name="kubelet", problem="it presents no certificate")
    node = node.model_copy(update={"served": (*node.served, silent)})
    text = to_prometheus(
        inventory(node, NodeCertificates(name="w1", unreached="x"), objects=(strange, damaged)), "prod"
    )
    assert "damaged" not in text
    assert "10250" not in text
    lines = text.splitlines()
    end = int((NOW + timedelta(days=200)).timestamp())
    prefix = 'kube_runbooks_certificate_not_after_seconds{cluster="prod",node="cp1",path="/etc/kubernetes/admin.conf"'
    assert f'{prefix},place="0",name="admin.conf",kind="kubeconfig"}} {end}' in lines
    assert (
        'kube_runbooks_certificate_served_is_on_disk{cluster="prod",node="cp1",port="6443",program="kube-apiserver"} 0'
        in lines
    )
    assert (
        'kube_runbooks_certificate_served_is_on_disk{cluster="prod",node="cp1",port="2379",program="etcd"} 1' in lines
    )
    assert 'kube_runbooks_certificates_node_unreached{cluster="prod",node="w1"} 1' in lines
    assert 'path="a\\"b\\\\c"' in text
    assert text.endswith("\n")
