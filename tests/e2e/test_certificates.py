"""`certificate_inventory` and `cert_rotation` on real clusters. The judges are openssl, kubeadm and a plain client, not our own code."""

import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.e2e.conftest import Labs
from tests.e2e.observers import observed, start_service
from tests.e2e.site import LabSite, meanwhile
from tests.lab.host import LabError
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(2400)

ALL: dict[str, Any] = {"mode": "apply", "options": {"renew_before": "100d"}}
"""More than the 90 days of this lab's leaves."""


def of_small(*only: str) -> dict[str, Any]:
    """For a lab with kubeadm's own year, and one control plane: these certificates, or all."""
    return {"mode": "apply", "options": {"renew_before": "400d", "allow_downtime": True, "only": list(only)}}


SMALL = of_small()
ONLY = of_small("apiserver")
PKI = "/etc/kubernetes/pki"
WORK = "/var/lib/kube-runbooks/certificates"
PARKED = "/etc/kubernetes/kube-runbooks-parked"
SERVED = {6443: f"{PKI}/apiserver.crt", 2379: f"{PKI}/etcd/server.crt", 2380: f"{PKI}/etcd/peer.crt"}
SIGNED_BY = {
    **dict.fromkeys(("apiserver", "apiserver-kubelet-client"), "ca"),
    "front-proxy-client": "front-proxy-ca",
    **dict.fromkeys(("apiserver-etcd-client", "etcd/server", "etcd/peer", "etcd/healthcheck-client"), "etcd/ca"),
}
"""Below kubeadm's pki; kubeconfigs and kubelets are apart."""

KUBECONFIGS = ("admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf")
KUBELET = "/var/lib/kubelet/pki/kubelet-client-current.pem"
PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@pytest.mark.full
def test_all_leaves_are_renewed_while_a_client_writes_and_no_request_is_lost(whole_ha: LabSite, labs: Labs) -> None:
    """Through the load balancer, on three control planes; `make bench-certificates` has the same by hand beside it."""
    lab = whole_ha.lab
    before = {machine.name: serials(machine) for machine in lab.control_planes}
    ends = {machine.name: first_end(machine) for machine in lab.control_planes}
    address = start_service(lab)
    began = time.monotonic()
    with observed(lab, address, clients=("w1", "w2")) as seen:
        report = whole_ha.run("cert_rotation", limit=1800, **ALL)
    took = time.monotonic() - began
    assert report["outcome"] == "completed"
    assert seen.reads.lost == seen.writes.lost == seen.service.lost == []
    assert seen.writes.total > 50
    assert seen.fewest_members >= 2, "\n".join(seen.ailing)
    for machine in lab.control_planes:
        after = serials(machine)
        assert not set(before[machine.name].values()) & set(after.values())
        assert first_end(machine) > ends[machine.name]
        assert first_end(machine) - datetime.now(UTC) < timedelta(days=91)
        assert_on_the_wire(lab, machine)
        assert_private(machine)
    assert_alive(lab)
    assert whole_ha.leaked_keys() == []
    print(f"\nthree control planes: {took:.0f} s; {seen}")
    nothing = whole_ha.run("cert_rotation", mode="apply")
    assert "nothing to do" in nothing["summary"][0]
    labs.brought_back()


def test_the_inventory_says_what_kubeadm_says_and_alarms(used_small: LabSite, labs: Labs) -> None:
    """Below the threshold of the profile; and a controller that has not read what somebody renewed is mentioned."""
    lab = used_small.lab
    machine = lab["cp1"]
    lab.wait_until_ready()
    fine = used_small.run("certificate_inventory")
    assert fine["outcome"] == "completed"
    by_name = {
        one["name"]: one
        for step in fine["done"]
        if step["step"] == "observe certificates"
        for node in step["evidence"]["nodes"]
        for one in node["certificates"]
        if node["name"] == "cp1" and one["name"]
    }
    told = json.loads(machine.run("kubeadm certs check-expiration -o json"))
    for one in told["certificates"]:
        if not one["missing"]:
            assert by_name[one["name"]]["not_after"] == one["expirationDate"]
    text = used_small.read(f"{used_small.name}/metrics/certificates.prom").decode()
    assert 'program="kube-apiserver"} 1' in text
    machine.run("kubeadm certs renew controller-manager.conf")
    again = used_small.run("certificate_inventory")
    assert "has not read controller-manager.conf" in json.dumps(again["plan"]["cautions"])
    used_small.write_profile(certificates={"warn_before": "400d"})
    alarm = used_small.run("certificate_inventory")
    assert alarm["outcome"] == "refused"
    assert "/etc/kubernetes/pki/apiserver.crt" in alarm["problem"]
    for place in (fine, again, alarm):
        assert "PRIVATE KEY" not in json.dumps(place)
    labs.brought_back()


def test_one_certificate_restarts_one_pod_and_copies_follow(used_small: LabSite, labs: Labs) -> None:
    """With owner and mode; another user's entry in the same file stays. Nothing else on the node is touched."""
    lab = used_small.lab
    machine = lab["cp1"]
    lab.wait_until_ready()
    before, ran = serials(machine), processes(machine)
    machine.run("useradd -m lab-user 2> /dev/null || true; mkdir -p /root/.kube /home/lab-user/.kube")
    for place in ("/root/.kube/config", "/home/lab-user/.kube/config"):
        machine.run(f"cp /etc/kubernetes/admin.conf {place}; chmod 640 {place}")
    machine.run("chown lab-user: /home/lab-user/.kube/config")
    copies = [{"path": place} for place in ("/root/.kube/config", "/home/lab-user/.kube/config")]
    used_small.write_profile(certificates={"kubeconfigs": copies})
    report = used_small.run("cert_rotation", **of_small("front-proxy-client", "admin.conf"))
    assert report["outcome"] == "completed"
    after, runs = serials(machine), processes(machine)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"{PKI}/front-proxy-client.crt", "/etc/kubernetes/admin.conf"}
    assert runs["etcd"] == ran["etcd"]
    assert runs["kube-apiserver"] != ran["kube-apiserver"]
    # Others follow their only API.
    assert any(line.endswith("the file's serial is served: kube-apiserver") for line in report["summary"])
    for place in ("/root/.kube/config", "/home/lab-user/.kube/config"):
        assert machine.read(place) == machine.read("/etc/kubernetes/admin.conf")
        machine.run(f"kubectl --kubeconfig {place} get nodes")
    assert machine.run("stat -c '%U %a' /home/lab-user/.kube/config").strip() == "lab-user 640"
    assert_on_the_wire(lab, machine)
    labs.brought_back()


@pytest.mark.full
def test_a_broken_manifest_puts_the_files_of_before_back(used_small: LabSite, labs: Labs) -> None:
    """While it is away, its image becomes one that does not exist: the API server never starts, and all is as it was."""
    lab = used_small.lab
    machine = lab["cp1"]
    lab.wait_until_ready()
    before, manifest = serials(machine), machine.read("/etc/kubernetes/manifests/kube-apiserver.yaml")
    parked = f"{PARKED}/kube-apiserver.yaml"
    breaks = f"until [ -e {parked} ]; do sleep 0.05; done; sed -i 's|image:.*|image: nowhere.invalid/none:1|' {parked}"
    with meanwhile(lambda: machine.run(breaks, limit=600)):
        report = used_small.run("cert_rotation", limit=1800, **ONLY)
    assert report["outcome"] == "failed"
    assert "its previous files are restored and proven" in report["problem"]
    assert "kube-apiserver" in report["problem"]
    assert serials(machine) == before
    assert machine.read("/etc/kubernetes/manifests/kube-apiserver.yaml") == manifest
    assert_on_the_wire(lab, machine)
    assert_alive(lab)
    mended = used_small.run("cert_rotation", **ONLY)
    assert mended["outcome"] == "completed"
    assert serials(machine)[SERVED[6443]] != before[SERVED[6443]]
    labs.brought_back()


@pytest.mark.full
def test_a_new_name_of_the_load_balancer_comes_in_through_kubeadms_configuration(
    used_small: LabSite, labs: Labs
) -> None:
    """It is shown as a difference, and a client that asks by that name is satisfied."""
    lab = used_small.lab
    lab.wait_until_ready()
    text = lab.kubectl(
        "get", "configmap", "-n", "kube-system", "kubeadm-config", "-o=jsonpath={.data.ClusterConfiguration}"
    )
    body = json.dumps({"data": {"ClusterConfiguration": text + "apiServer: {certSANs: [api.lab.example]}\n"}})
    lab.kubectl("patch", "configmap", "-n", "kube-system", "kubeadm-config", "--type=merge", f"--patch={body}")
    only = {"only": ["apiserver"], "allow_downtime": True}
    plan = used_small.run("cert_rotation", mode="plan", options=only)
    assert "+DNS:api.lab.example" in json.dumps(plan["plan"]["steps"])
    report = used_small.run("cert_rotation", mode="apply", options=only)
    assert report["outcome"] == "completed"
    address = lab["cp1"].address
    answer = lab["cp1"].run(
        f"curl --silent --show-error --cacert {PKI}/ca.crt --connect-to ::{address}:6443 https://api.lab.example:6443/readyz"
    )
    assert answer == "ok"
    labs.brought_back()


@pytest.mark.full
def test_three_control_planes_whose_certificates_have_all_expired_are_brought_back(fresh_ha: LabSite) -> None:
    """All at once: one alone has no quorum."""
    bring_back_expired(fresh_ha)


@pytest.mark.full
def test_a_cluster_whose_certificates_have_all_expired_is_brought_back(fresh_small: LabSite) -> None:
    """The same on one control plane, whose kubelet never gets to its API server, and so does not end etcd either."""
    parked = "/etc/kubernetes/kube-runbooks-parked/etcd.yaml"
    kills = f"until [ -e {parked} ]; do pkill -KILL -x kube-apiserver; sleep 0.1; done"
    bring_back_expired(fresh_small, f'systemd-run --quiet --unit=kills sh -c "{kills}"')


@pytest.mark.full
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["rotate node", "approve requests", "prove rotation"])
def test_killed_at_a_boundary_it_goes_on(used_small: LabSite, labs: Labs, step: str, when: str) -> None:
    """Each leaf is renewed once, and the next run comes to the end."""
    lab = used_small.lab
    lab.wait_until_ready()
    before = serials(lab["cp1"])
    used_small.run("cert_rotation", die=f"{when} {step}", **SMALL)
    lab.wait_until_ready()
    middle = serials(lab["cp1"])
    report = used_small.run("cert_rotation", mode="apply", options={"allow_downtime": True})
    assert report["outcome"] == "completed"
    if (when, step) == ("before", "rotate node"):
        assert middle == before
        return labs.brought_back()
    assert not set(middle.values()) & set(before.values())
    assert serials(lab["cp1"]) == middle
    assert_on_the_wire(lab, lab["cp1"])
    return labs.brought_back()


@pytest.mark.full
@pytest.mark.parametrize(
    ("moment", "only"),
    [
        (f"ls {WORK}/*.tar", ""),
        (f"ls {WORK}/stage/kubeadm.yaml", ""),
        (f"ls {PARKED}/etcd.yaml", ""),
        (f"ls {PARKED}/kube-apiserver.yaml", ""),
        (f"! pgrep -x kube-apiserver > /dev/null && ls {WORK}/record.json", ""),
        (f"ls {PARKED}/kube-controller-manager.yaml", "controller-manager.conf"),  # follows its only API otherwise
        (f"ls {PARKED}/kube-scheduler.yaml", "scheduler.conf"),
    ],
)
def test_killed_within_a_node_it_goes_on_and_renews_nothing_twice(
    used_small: LabSite, labs: Labs, moment: str, only: str
) -> None:
    """Also while its only etcd, or its only API server, is away."""
    options = of_small(only) if only else SMALL
    lab = used_small.lab
    machine = lab["cp1"]
    lab.wait_until_ready()
    before = serials(machine)
    seen = f"until {{ {moment}; }} > /dev/null 2>&1; do sleep 0.02; done; echo yes"  # some last for half a second
    used_small.kill_when(lambda: machine.run(seen, limit=400), "cert_rotation", **options)
    wait_until(
        lambda: "kube-runbooks-certificates" not in machine.run("systemctl list-units --plain"), 120.0, "its job ends"
    )
    middle = serials(machine)
    report = used_small.run("cert_rotation", **options)
    assert report["outcome"] == "completed"
    after = serials(machine)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == ({f"/etc/kubernetes/{only}"} if only else set(before))
    for name, serial in middle.items():
        assert serial in {before[name], after[name]}
    assert machine.run(f"ls {PARKED} {WORK}/record.json 2> /dev/null || true").split() in ([], [f"{PARKED}:"])
    assert_on_the_wire(lab, machine)
    assert_alive(lab)
    labs.brought_back()


@pytest.mark.full
def test_kubelets_ask_for_serving_certificates_and_get_them(used_small: LabSite, labs: Labs) -> None:
    """`serverTLSBootstrap`: approved is what the node itself is called; a request for another name stays."""
    lab = used_small.lab
    worker = lab["w1"]
    lab.wait_until_ready()
    worker.run("echo 'serverTLSBootstrap: true' >> /var/lib/kubelet/config.yaml; systemctl restart kubelet")
    wait_until(lambda: pending(lab), 120.0, "the kubelet asks", every=1.0)
    report = used_small.run("cert_rotation", mode="apply")
    assert report["outcome"] == "completed"
    assert any("approved: csr-" in line for line in report["summary"])
    wait_until(lambda: worker.run("ls /var/lib/kubelet/pki/kubelet-server-current.pem || true"), 180.0, "it is there")
    wait_until(
        lambda: presented(worker, 10250) == serial_of(worker, "/var/lib/kubelet/pki/kubelet-server-current.pem"),
        60.0,
        "it is served",
    )
    labs.brought_back()


def bring_back_expired(site: LabSite, fault: str = "true") -> None:
    """While it was off: kubelets do not start, etcd has no quorum, there is no API. By SSH alone, workers too."""
    lab = site.lab
    lab.kubectl("create", "configmap", "kept", "--from-literal=value=before")
    for machine in lab.nodes:
        expire(machine)
        machine.power_cut()
    for machine in lab.nodes:
        machine.restart()
    lab["cp1"].run(fault)
    with pytest.raises(LabError):
        lab.kubectl("get", "nodes")
    plan = site.run("cert_rotation", mode="plan")
    assert "all control plane nodes are renewed at once, over SSH alone" in json.dumps(plan["plan"]["cautions"])
    began = time.monotonic()
    report = site.run("cert_rotation", mode="apply", limit=1800)
    print(f"\neverything expired, brought back in {time.monotonic() - began:.0f} s")
    assert report["outcome"] == "completed"
    assert lab.kubectl("get", "configmap", "kept", "--output=jsonpath={.data.value}") == "before"
    for machine in lab.control_planes:
        assert first_end(machine) > datetime.now(UTC)
        assert_on_the_wire(lab, machine)
    assert_alive(lab)


# --- judges


def serials(machine: Machine) -> dict[str, str]:
    """Of every leaf that kubeadm made, by openssl."""
    found = {f"{PKI}/{name}.crt": serial_of(machine, f"{PKI}/{name}.crt") for name in SIGNED_BY}
    for name in KUBECONFIGS:
        path = f"/etc/kubernetes/{name}"
        inside = f"test ! -e {path} || sed -n 's/.*client-certificate-data: //p' {path} | base64 -d | openssl x509 -noout -serial"
        found |= {path: told} if (told := machine.run(inside).strip()) else {}
    return found


def serial_of(machine: Machine, path: str) -> str:
    """As openssl prints it."""
    return machine.run(f"openssl x509 -noout -serial -in {path}").strip()


def presented(machine: Machine, port: int) -> str:
    """What a port presents to a client from outside."""
    words = ["openssl", "s_client", "-connect", f"{machine.address}:{port}"]
    told = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20).stdout
    return (
        subprocess.run(["openssl", "x509", "-noout", "-serial"], input=told, capture_output=True, check=False)
        .stdout.decode()
        .strip()
    )


def assert_on_the_wire(lab: Lab, machine: Machine) -> None:
    """Each port presents its file, and the API server one that the cluster's authority signed."""
    for port, path in SERVED.items():
        assert presented(machine, port) == serial_of(machine, path), f"{machine.name}:{port}"
    assert lab.kubectl("get", "--raw", "/readyz") == "ok"


def assert_private(machine: Machine) -> None:
    """The copies that stay on the node are for root only."""
    assert set(machine.run(f"stat -c '%U %a' {WORK}/*.tar").splitlines()) == {"root 600"}
    assert machine.run(f"stat -c '%U %a' {WORK}").strip() == "root 700"


def assert_alive(lab: Lab) -> None:
    """Every node is Ready by a heartbeat of now."""
    lab.wait_until_ready(datetime.now(UTC))


def first_end(machine: Machine) -> datetime:
    """Of kubeadm's own list."""
    told = json.loads(machine.run("kubeadm certs check-expiration -o json 2> /dev/null"))
    return min(datetime.fromisoformat(one["expirationDate"]) for one in told["certificates"] if not one["missing"])


def processes(machine: Machine) -> dict[str, str]:
    """Of static pods, by their ids."""
    return {pod: machine.run(f"pgrep -of '^{pod} --'").strip() for pod in PODS}


def pending(lab: Lab) -> list[dict[str, Any]]:
    """Requests that nobody has decided about."""
    return [one for one in lab.get("certificatesigningrequests") if not one["status"].get("conditions")]


# --- faults


def expire(machine: Machine) -> None:
    """Every leaf signed once more, with the same key and names, and an end that is three days ago."""
    control_plane = machine.name.startswith("cp")
    if control_plane:
        for name, authority in SIGNED_BY.items():
            path = f"{PKI}/{name}.crt"
            machine.write(path, expired(machine.read(path), *pair_of(machine, authority)), mode="644")
        for name in KUBECONFIGS:
            expire_inside(machine, f"/etc/kubernetes/{name}")
    signer = pair_of(machine, "ca") if control_plane else None
    if signer:
        _ca_pairs[machine.shape.name] = signer
    text = machine.read(KUBELET)
    end = "-----END CERTIFICATE-----\n"
    certificate, _, key = text.partition(end)
    target = machine.run(f"readlink -f {KUBELET}").strip()
    machine.write(target, expired(certificate + end, *_ca_pairs[machine.shape.name]) + key)


_ca_pairs: dict[str, tuple[str, str]] = {}
"""Of labs, as their first control plane had it: workers do not have the key."""


def expire_inside(machine: Machine, path: str) -> None:
    """The certificate of a kubeconfig, where it is there."""
    script = f"test ! -e {path} || sed -n 's/.*client-certificate-data: //p' {path} | base64 -d"
    if certificate := machine.run(script):
        new = expired(certificate, *pair_of(machine, "ca"))
        machine.run(
            f'data=$(base64 -w0); sed -i "s|client-certificate-data: .*|client-certificate-data: $data|" {path}',
            text=new,
        )


def pair_of(machine: Machine, authority: str) -> tuple[str, str]:
    """Certificate and key of an authority."""
    return machine.read(f"{PKI}/{authority}.crt"), machine.read(f"{PKI}/{authority}.key")


def expired(certificate: str, ca: str, key: str) -> str:
    """The same certificate, from twenty days ago until three days ago."""
    old, authority = x509.load_pem_x509_certificate(certificate.encode()), x509.load_pem_x509_certificate(ca.encode())
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=authority.subject,
        subject_name=old.subject,
        public_key=old.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(days=20),
        not_valid_after=now - timedelta(days=3),
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    signer: Any = load_pem_private_key(key.encode(), password=None)
    return builder.sign(signer, SHA256()).public_bytes(Encoding.PEM).decode()
