"""`certificate_issue` on real machines: kubeadm starts a cluster on what it made, and makes none of it anew. openssl and kubeadm are the judges."""

from typing import Any

import pytest

from tests.e2e.site import LabSite, follow
from tests.lab import kubeadm
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.services import LOAD_BALANCER
from tests.lab.shape import SERVICES

pytestmark = pytest.mark.timeout(1800)

PKI = "/etc/kubernetes/pki"
MADE = f"find /etc/kubernetes -maxdepth 3 '(' -path '{PKI}/*' -o -name '*.conf' ')' -type f ! -name 'kubelet.conf' | sort | xargs sha256sum"


@pytest.mark.full
def test_a_new_cluster_with_an_external_etcd_is_started_on_what_it_made(fresh_external: LabSite) -> None:
    """All machines lose all that they had, members too; another name of the endpoint comes in afterwards, by itself."""
    lab = fresh_external.lab
    first, member = lab["cp1"], next(machine for machine in lab.machines.values() if machine.name.startswith("etcd"))
    for machine in lab.nodes:
        machine.run(
            "kubeadm reset --force > /dev/null 2>&1; rm -rf /etc/kubernetes/*.conf /etc/kubernetes/pki", limit=300
        )
    member.run("systemctl stop etcd; rm -rf /var/lib/etcd/* /etc/etcd")
    wanted = {
        "control_planes": [{"name": first.name, "address": first.address}],
        "etcd": [{"name": member.name, "address": member.address}],
        "endpoint": f"{lab.shape.gateway}:{LOAD_BALANCER}",
        "version": lab.shape.kubernetes,
        "service_subnet": SERVICES,
    }
    report = fresh_external.run("certificate_issue", mode="apply", request=wanted)
    assert report["outcome"] == "completed"
    made = first.run(MADE)
    assert_good(first, "ca", "apiserver", "apiserver-kubelet-client")
    assert_good(first, "etcd/ca", "apiserver-etcd-client")
    assert_good(member, "etcd/ca", "etcd/server", "etcd/peer", "etcd/healthcheck-client")
    assert first.run(f"ls {PKI}/etcd") == "ca.crt\n"  # its key is where members are
    start_on_it(lab, member)
    assert fresh_external.leaked_keys() == []
    assert first.run(MADE) == made
    again = fresh_external.run("certificate_issue", mode="apply", request=wanted)
    assert "nothing to do" in again["summary"][0]
    renamed = wanted | {"names": ["api.lab.example"], "replace": True}
    report = fresh_external.run("certificate_issue", mode="apply", request=renamed)
    assert report["outcome"] == "completed"
    assert "DNS:api.lab.example" in first.run(f"openssl x509 -noout -ext subjectAltName -in {PKI}/apiserver.crt")
    changed = {line.split()[1] for line in set(first.run(MADE).splitlines()) ^ set(made.splitlines())}
    assert changed == {f"{PKI}/apiserver.crt", f"{PKI}/apiserver.key"}
    assert_good(first, "ca", "apiserver")


def start_on_it(lab: Lab, member: Machine) -> None:
    """etcd by systemd, then the control plane and the worker by kubeadm, with the configuration of before."""
    unit = "/etc/systemd/system/etcd.service"
    for part in ("server", "peer"):
        flag = "" if part == "server" else "peer-"
        member.run(
            f"sed -i 's|--{flag}cert-file [^ ]*|--{flag}cert-file {PKI}/etcd/{part}.crt|; "
            f"s|--{flag}key-file [^ ]*|--{flag}key-file {PKI}/etcd/{part}.key|' {unit}"
        )
    member.run(f"sed -i 's|/etc/etcd/ca.crt|{PKI}/etcd/ca.crt|g' {unit}; systemctl daemon-reload; systemctl start etcd")
    first = lab["cp1"]
    first.run(f"kubeadm init --config {kubeadm.INIT_FILE} > /var/log/kubeadm-again.log 2>&1", limit=600)
    follow(lab)
    digest = kubeadm.ca_hash(first)
    for machine in lab.nodes:
        if machine is not first:
            kubeadm.join(machine, digest)
    lab.wait_until_ready()
    told: Any = first.run("kubeadm certs check-expiration 2> /dev/null")
    assert "apiserver" in told


def assert_good(machine: Machine, authority: str, *leaves: str) -> None:
    """By openssl: signed by that authority, and good for what it is for."""
    for leaf in leaves:
        purposes = {"server": "sslserver", "peer": "sslserver", "apiserver": "sslserver"}
        purpose = purposes.get(leaf.rpartition("/")[2], "sslclient")
        machine.run(f"openssl verify -purpose {purpose} -CAfile {PKI}/{authority}.crt {PKI}/{leaf}.crt")
        assert machine.run(f"stat -c '%U %a' {PKI}/{leaf}.key") == "root 600\n"
