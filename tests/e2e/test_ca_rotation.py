"""`ca_rotation` on real clusters: all three stages, refused in any other order, killed at each boundary. openssl and plain clients judge."""

import base64
import json
import subprocess
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.e2e.conftest import TARGET
from tests.e2e.observers import start_service
from tests.e2e.site import LabSite, follow
from tests.lab.images import WORKLOAD as IMAGE
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.shape import Role
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(3600)

STAGES = ("trust-both", "sign-with-new", "drop-old")
PKI = "/etc/kubernetes/pki"
HALVES = "/var/lib/kube-runbooks/ca-rotation"
SURE: dict[str, Any] = {"allow_downtime": True, "old_clients_gone": True, "token_age": "1h"}
STEPS = ("lay down halves", "bring control plane", "bring workers", "publish", "prove stage")
NOT_REACHED = {("trust-both", "after"): 1, ("sign-with-new", "before"): 1, ("sign-with-new", "after"): 2}
"""Of those, the last ones, where the run that was killed before has left nothing to do."""

LEAVES = {
    "ca": ("apiserver", "apiserver-kubelet-client"),
    "etcd-ca": ("etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client"),
    "front-proxy-ca": ("front-proxy-client",),
}
BELIEVED = (
    "cat /etc/kubernetes/pki/ca.crt; "
    "sed -n 's/.*certificate-authority-data: //p' /etc/kubernetes/*.conf | while read -r one; do echo $one | base64 -d; done"
)
ASKER = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: asker, namespace: default}
spec:
  selector: {matchLabels: {app: asker}}
  template:
    metadata: {labels: {app: asker}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: asker
          image: IMAGE
          command:
            - /bin/busybox
            - sh
            - -c
            - |
              own=/var/run/secrets/kubernetes.io/serviceaccount
              while :; do
                end=lost
                for n in $(seq 30); do
                  if curl --silent --show-error --fail --max-time 5 --cacert $own/ca.crt --header "Authorization: Bearer $(cat $own/token)" \
                    https://$KUBERNETES_SERVICE_HOST/version 2> /tmp/error > /dev/null; then end=answered; break; fi
                  echo "$(date) $(cat /tmp/error)" >> /asks/failed
                  sleep 1
                done
                date >> /asks/$end
                sleep 0.5
              done
          volumeMounts:
            - {name: asks, mountPath: /asks}
            - {name: usr, mountPath: /usr}
            - {name: lib, mountPath: /lib}
            - {name: lib64, mountPath: /lib64}
      volumes:
        - {name: asks, hostPath: {path: /var/log/asks, type: DirectoryOrCreate}}
        - {name: usr, hostPath: {path: /usr}}
        - {name: lib, hostPath: {path: /usr/lib}}
        - {name: lib64, hostPath: {path: /usr/lib64}}
"""
"""With curl of its node: its own token and kube-root-ca.crt, as the kubelet gives them, read anew for each request."""

FILES = {"ca": "ca", "etcd-ca": "etcd/ca", "front-proxy-ca": "front-proxy-ca", "sa": "sa"}


@pytest.mark.full
def test_the_clusters_authority_goes_through_all_stages_while_pods_ask_the_api(fresh_ha: LabSite) -> None:
    """3 + 2. A pod's own token and what it was given to believe are enough at every moment, and the old one is worth nothing at the end."""
    lab = fresh_ha.lab
    start_service(lab)
    old = authority_of(lab["cp1"], "ca")
    administrator = lab["cp1"].read("/etc/kubernetes/admin.conf")
    start_asking(lab)
    for stage in STAGES:
        report = rotate(fresh_ha, "ca", stage)
        assert report["outcome"] == "completed"
        assert_kubeadm_and_openssl_agree(lab, "ca", signer=old if stage == "trust-both" else None)
        if stage == "trust-both":
            refused = fresh_ha.run("ca_rotation", authority="ca", stage="sign-with-new", mode="apply", options={})
            assert "pods were started before both were handed out" in refused["problem"]
            restart_everything(lab)
    for machine in lab.of_role(Role.WORKER):
        asked = machine.run("wc -l < /var/log/asks/answered; cat /var/log/asks/lost 2> /dev/null || true").split()
        print(
            f"\n{machine.name}: {asked[0]} requests of its pod, {len(asked) - 1} lost; {machine.run('cat /var/log/asks/failed 2> /dev/null | wc -l')} tries failed"
        )
        assert int(asked[0]) > 100
        assert asked[1:] == []
    new = authority_of(lab["cp1"], "ca")
    assert new != old
    for machine in lab.nodes:
        assert machine.read(f"{PKI}/ca.crt") == new
        assert old.splitlines()[5] not in machine.run(BELIEVED)
    assert_nobody_hands_out(lab, old)
    assert fresh_ha.leaked_keys() == []
    assert "certificate" in asks_with(lab, administrator)
    assert rotate(fresh_ha, "ca", "drop-old")["outcome"] == "refused"  # of a next rotation, which has not begun


@pytest.mark.full
@pytest.mark.parametrize("authority", ["etcd-ca", "front-proxy-ca", "sa"])
def test_the_other_authorities_go_through_all_stages(fresh_small: LabSite, authority: str) -> None:
    """On one control plane; a token that was made before is worth nothing at the end."""
    lab = fresh_small.lab
    lab.wait_until_ready()
    old = authority_of(lab["cp1"], authority)
    token = lab.kubectl("create", "token", "default")
    for stage in STAGES:
        if (authority, stage) == ("sa", "drop-old"):
            restart_everything(lab)
            early = rotate(fresh_small, authority, stage)
            assert "the new key has signed tokens for" in early["problem"]
            lab["cp1"].run(f"touch -d '2 hours ago' {PKI}/sa.key")
        report = fresh_small.run("ca_rotation", authority=authority, stage=stage, mode="apply", options=SURE)
        assert report["outcome"] == "completed"
        if authority != "sa":
            assert_kubeadm_and_openssl_agree(lab, authority, signer=old if stage == "trust-both" else None)
        assert lab.kubectl("get", "--raw", "/readyz") == "ok"
    assert authority_of(lab["cp1"], authority) != old
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    told = json.loads(lab.kubectl("create", "-f", "-", "--output=json", text=json.dumps(review)))
    assert bool(told["status"].get("authenticated")) is (authority != "sa")


@pytest.mark.full
def test_no_stage_begins_before_the_one_before_it(fresh_small: LabSite) -> None:
    """And none is done twice; `mode=plan` touches nothing."""
    lab = fresh_small.lab
    lab.wait_until_ready()
    for stage in STAGES[1:]:
        refused = rotate(fresh_small, "front-proxy-ca", stage)
        assert refused["outcome"] == "refused"
        assert "goes on from" in refused["problem"]
    planned = fresh_small.run("ca_rotation", authority="front-proxy-ca", stage="trust-both", mode="plan", options=SURE)
    assert planned["outcome"] == "completed"
    assert lab["cp1"].run(f"ls {HALVES} 2> /dev/null || true") == ""
    assert rotate(fresh_small, "front-proxy-ca", "trust-both")["outcome"] == "completed"
    assert "nothing to do" in rotate(fresh_small, "front-proxy-ca", "trust-both")["summary"][0]
    assert rotate(fresh_small, "front-proxy-ca", "drop-old")["outcome"] == "refused"
    upgrade = fresh_small.run("rolling_upgrade", version=TARGET, mode="plan")
    assert "a rotation of front-proxy-ca has begun there and not ended" in upgrade["problem"]
    for stage in STAGES[1:]:
        assert rotate(fresh_small, "front-proxy-ca", stage)["outcome"] == "completed"


@pytest.mark.full
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_each_boundary_it_comes_to_the_same_end(fresh_small: LabSite, stage: str, when: str) -> None:
    """By SIGKILL; the next run goes on, and there is one new authority."""
    lab = fresh_small.lab
    lab.wait_until_ready()
    for earlier in STAGES[: STAGES.index(stage)]:
        assert rotate(fresh_small, "ca", earlier)["outcome"] == "completed"
        restart_everything(lab)
    for step in STEPS[: len(STEPS) - NOT_REACHED.get((stage, when), 0)]:
        fresh_small.run("ca_rotation", die=f"{when} {step}", authority="ca", stage=stage, mode="apply", options=SURE)
    assert rotate(fresh_small, "ca", stage)["outcome"] == "completed"
    for later in STAGES[STAGES.index(stage) + 1 :]:
        restart_everything(lab)
        assert rotate(fresh_small, "ca", later)["outcome"] == "completed"
    assert {machine.read(f"{PKI}/ca.crt") for machine in lab.nodes} == {authority_of(lab["cp1"], "ca")}


@pytest.mark.full
def test_the_way_back_from_each_stage(fresh_small: LabSite) -> None:
    """The stage before takes it back: the old one signs again, and is believed again."""
    lab = fresh_small.lab
    lab.wait_until_ready()
    old = authority_of(lab["cp1"], "ca")
    assert rotate(fresh_small, "ca", "trust-both")["outcome"] == "completed"
    restart_everything(lab)
    assert rotate(fresh_small, "ca", "sign-with-new")["outcome"] == "completed"
    assert rotate(fresh_small, "ca", "trust-both")["outcome"] == "completed"
    assert_kubeadm_and_openssl_agree(lab, "ca", signer=old)
    restart_everything(lab)
    assert rotate(fresh_small, "ca", "sign-with-new")["outcome"] == "completed"
    fresh_small.run(
        "ca_rotation", die="before put halves away", authority="ca", stage="drop-old", mode="apply", options=SURE
    )
    assert lab["w1"].read(f"{PKI}/ca.crt").count("BEGIN") == 1
    assert rotate(fresh_small, "ca", "sign-with-new")["outcome"] == "completed"
    assert lab["w1"].read(f"{PKI}/ca.crt").count("BEGIN") == 2
    assert rotate(fresh_small, "ca", "drop-old")["outcome"] == "completed"


@pytest.mark.full
def test_a_node_whose_proof_fails_goes_back_and_the_others_are_untouched(fresh_ha: LabSite) -> None:
    """While it is away, the image of the first API server becomes one that does not exist."""
    lab = fresh_ha.lab
    parked = "/etc/kubernetes/kube-runbooks-parked/kube-apiserver.yaml"
    breaks = f"until [ -e {parked} ]; do sleep 0.05; done; sed -i 's|image:.*|image: nowhere.invalid/none:1|' {parked}"
    for machine in lab.control_planes:
        machine.run(f'systemd-run --quiet --unit=breaks sh -c "{breaks}"')
    report = rotate(fresh_ha, "ca", "trust-both")
    assert report["outcome"] == "failed"
    assert "it is only-old again, and that is proven" in report["problem"]
    assert {machine.read(f"{PKI}/ca.crt").count("BEGIN") for machine in lab.nodes} == {1}
    for machine in lab.control_planes:
        assert "nowhere.invalid" not in machine.read("/etc/kubernetes/manifests/kube-apiserver.yaml")
        machine.run("systemctl stop breaks || true")
    assert lab.kubectl("get", "--raw", "/readyz") == "ok"
    assert rotate(fresh_ha, "ca", "trust-both")["outcome"] == "completed"
    assert {machine.read(f"{PKI}/ca.crt").count("BEGIN") for machine in lab.nodes} == {2}


def rotate(site: LabSite, authority: str, stage: str) -> dict[str, Any]:
    """A run that asks nobody, with a word for what cannot be seen; afterwards our own kubectl believes what the cluster does."""
    report = site.run("ca_rotation", limit=1800, authority=authority, stage=stage, mode="apply", options=SURE)
    follow(site.lab)
    return report


def start_asking(lab: Lab) -> None:
    """A pod on each worker that asks the API all the time, through its service."""
    lab.kubectl("apply", "-f", "-", text=ASKER.replace("IMAGE", IMAGE))
    lab.kubectl("rollout", "status", "daemonset/asker", "--timeout=90s", limit=100)
    for machine in lab.of_role(Role.WORKER):
        wait_until(partial(machine.run, "ls /var/log/asks/answered || true"), 180.0, "it is answered")


def restart_everything(lab: Lab) -> None:
    """As an administrator does it before `sign-with-new`."""
    follow(lab)
    for namespace in ("kube-system", "default"):
        lab.kubectl("rollout", "restart", "deployment,daemonset", "--namespace", namespace)
    lab.wait_until_ready(datetime.now(UTC))


def authority_of(machine: Machine, authority: str) -> str:
    """The first one of its file, or the first public key."""
    end = "pub" if authority == "sa" else "crt"
    text = machine.read(f"{PKI}/{FILES[authority]}.{end}")
    mark = next(line for line in text.splitlines() if line.startswith("-----END"))
    return text.partition(mark)[0] + mark + "\n"


def assert_kubeadm_and_openssl_agree(lab: Lab, authority: str, *, signer: str | None) -> None:
    """Every leaf is signed by the one that signs, which is the first of the file; kubeadm finds nothing wrong."""
    for machine in lab.control_planes:
        first = authority_of(machine, authority)
        assert signer in {None, first}
        machine.write("/root/signer.crt", first, mode="600")
        for leaf in LEAVES[authority]:
            machine.run(f"openssl verify -CAfile /root/signer.crt {PKI}/{leaf}.crt")
        json.loads(machine.run("kubeadm certs check-expiration -o json 2> /dev/null"))
        if authority == "ca":
            words = ["openssl", "s_client", "-connect", f"{machine.address}:6443", "-verify_return_error", "-CAfile"]
            place = lab.folder / "signer.crt"
            place.write_text(first)
            subprocess.run([*words, str(place)], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=20)
    if authority == "ca":
        for machine in lab.nodes:
            machine.write("/root/signer.crt", authority_of(lab["cp1"], "ca"), mode="600")
            machine.run("openssl verify -CAfile /root/signer.crt /var/lib/kubelet/pki/kubelet-client-current.pem")


def assert_nobody_hands_out(lab: Lab, old: str) -> None:
    """Neither to pods, nor to nodes that join, nor to aggregated APIs."""
    line = old.splitlines()[5]
    places = [
        lab.kubectl("get", "configmaps", "--all-namespaces", "--output=json"),
        base64.b64decode(
            json.loads(lab.kubectl("get", "configmap", "cluster-info", "-n", "kube-public", "--output=json"))["data"][
                "kubeconfig"
            ]
            .partition("certificate-authority-data: ")[2]
            .split()[0]
        ).decode(),
    ]
    assert all(line not in place for place in places)


def asks_with(lab: Lab, kubeconfig: str) -> str:
    """What kubectl says with a kubeconfig of before."""
    lab["cp1"].write("/root/before.conf", kubeconfig, mode="600")
    return lab["cp1"].run("kubectl --kubeconfig /root/before.conf get nodes 2>&1 || true")
