"""The scripts of a rotation run for real on folders that kubeadm has made: each state has its files, also after a cut, and kubeadm signs by them."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from tasks.ca_rotation.policy.trust import state_of
from tasks.ca_rotation.probes.trust import halves_in
from tasks.ca_rotation.scripts import end, halves, lay_down, make
from tasks.certificates.authority import SigningAuthority
from tasks.certificates.models.authorities import FILES, State
from tasks.certificates.scripts import sign_for_kubelet
from tasks.core.models.kubeadm import Authority
from tasks.core.shell import ROOT
from tests.facts.ca_nodes import CONFIGS, NOW, Node


@pytest.mark.parametrize("authority", Authority)
def test_each_state_is_made_from_any_other_and_changes_no_mode(node: Node, authority: Authority) -> None:
    """There and back again; made twice, nothing changes."""
    modes = node.modes()
    node.begin(authority)
    laid = node.look(authority)
    assert (laid.old, laid.new) == node.halves[authority]
    for state in (State.BOTH, State.NEW_SIGNS, State.BOTH, State.NEW_SIGNS, State.ONLY_NEW, State.ONLY_OLD):
        assert node.make(authority, state)
        assert node.state(authority) is state
        assert node.make(authority, state) == []
    now = node.modes()
    now.pop("pki/ca-signing.crt", None)
    assert now == modes


@pytest.mark.parametrize("commands", range(1, 38, 2))
def test_cut_off_anywhere_the_node_still_believes_both_and_the_next_run_ends_it(node: Node, commands: int) -> None:
    """From both to new-signs, the one step at which what signs changes."""
    authority = Authority.CLUSTER
    node.begin(authority)
    node.make(authority, State.BOTH)
    node.make(authority, State.NEW_SIGNS, commands=commands)
    assert node.state(authority) in {State.BOTH, State.BETWEEN, State.NEW_SIGNS}
    for name in CONFIGS:
        assert set(node.believes(name)) == {half.id for half in node.halves[authority]}
    node.make(authority, State.NEW_SIGNS)
    assert node.state(authority) is State.NEW_SIGNS


def test_kubeconfigs_believe_what_the_file_has_and_keep_their_user(node: Node) -> None:
    """Nothing else in them changes."""
    node.begin(Authority.CLUSTER)
    before = {name: yaml.safe_load((node.root / name).read_text())["users"] for name in CONFIGS}
    old, new = node.halves[Authority.CLUSTER]
    for state, ids in ((State.BOTH, [old.id, new.id]), (State.ONLY_NEW, [new.id])):
        node.make(Authority.CLUSTER, state)
        for name in CONFIGS:
            assert node.believes(name) == ids
            assert yaml.safe_load((node.root / name).read_text())["users"] == before[name]


def test_the_controller_manager_signs_with_a_file_of_one(node: Node) -> None:
    """A file of two it refuses; when there is one again, it is kubeadm's own once more."""
    node.begin(Authority.CLUSTER)
    signing = node.root / "pki/ca-signing.crt"
    for state in (State.BOTH, State.NEW_SIGNS):
        node.make(Authority.CLUSTER, state)
        assert node.look(Authority.CLUSTER).signs_by == str(signing)
        assert len(x509.load_pem_x509_certificates(signing.read_bytes())) == 1
        [half] = node.look(Authority.CLUSTER).signing
        assert half.public_key == node.look(Authority.CLUSTER).signs
    parked = node.root.parent / "parked/kube-controller-manager.yaml"
    (node.root / "manifests/kube-controller-manager.yaml").rename(parked)  # a run died while it was away
    node.make(Authority.CLUSTER, State.ONLY_NEW)
    assert node.look(Authority.CLUSTER).signs_by == str(node.root / "pki/ca.crt")
    assert str(signing) not in parked.read_text()
    node.sh(end(node.files(Authority.CLUSTER), Authority.CLUSTER, "0a1b2c3d-4711"))
    assert not signing.exists()
    assert node.look(Authority.CLUSTER).new is None
    assert (node.root.parent / "work/ca-ended-0a1b2c3d-4711/old.key").exists()


@pytest.mark.parametrize(
    ("authority", "leaf"),
    [
        (Authority.CLUSTER, "apiserver"),
        (Authority.ETCD, "etcd-server"),
        (Authority.FRONT_PROXY, "front-proxy-client"),
    ],
)
def test_kubeadm_renews_by_the_one_that_signs(node: Node, authority: Authority, leaf: str) -> None:
    """The real one takes the first certificate of a file of two, with the key beside it; openssl agrees."""
    files = {"apiserver": "pki/apiserver.crt", "etcd-server": "pki/etcd/server.crt"}
    path = files.get(leaf, f"pki/{leaf}.crt")
    node.begin(authority)
    for state in (State.BOTH, State.NEW_SIGNS, State.ONLY_NEW):
        node.make(authority, state)
        node.kubeadm.run("certs", "renew", leaf, "--cert-dir", str(node.root / "pki"))
        work = node.root.parent / f"work/{authority}"
        for half in ("old", "new"):
            words: list[str | Path] = ["openssl", "verify", "-CAfile", work / f"{half}.pem", node.root / path]
            agrees = subprocess.run(words, capture_output=True, check=False).returncode == 0
            assert agrees is (half == FILES[state].signs)


def test_a_kubelets_certificate_is_signed_by_the_one_that_signs(node: Node) -> None:
    """By the script of a renewal: openssl, too, takes the first certificate of a file of two."""
    node.begin(Authority.CLUSTER)
    key = node.root.parent / "kubelet.key"
    words = [
        "openssl",
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-subj",
        "/O=system:nodes/CN=system:node:w1",
    ]
    request = subprocess.run(words, capture_output=True, check=True).stdout
    for state in (State.BOTH, State.NEW_SIGNS):
        node.make(Authority.CLUSTER, state)
        done = node.sh(sign_for_kubelet(node.folder / "pki/ca.crt", node.folder / "pki/ca.key", "w1", 24), request)
        assert done.returncode == 0, done.stderr
        work = node.root.parent / "work/ca"
        signer = x509.load_pem_x509_certificate((work / f"{FILES[state].signs}.pem").read_bytes())
        x509.load_pem_x509_certificate(done.stdout).verify_directly_issued_by(signer)


def test_a_kubeconfig_that_is_renewed_believes_what_the_file_has(node: Node) -> None:
    """kubeadm leaves the first of two in it, as here; the script of a renewal has it believe both again."""
    node.begin(Authority.CLUSTER)
    node.make(Authority.CLUSTER, State.NEW_SIGNS)
    config, one = node.root / "admin.conf", node.root.parent / "work/ca/new.pem"
    lib = ROOT / "tasks/core/lib.sh"
    script = f". {lib}; believe {config} {one} {config}.new; like {config}.new {config}"
    assert node.sh(script).returncode == 0
    assert len(node.believes("admin.conf")) == 1
    assert node.sh(script.replace(str(one), str(node.root / "pki/ca.crt"))).returncode == 0
    assert len(node.believes("admin.conf")) == 2


def test_a_worker_believes_and_signs_nothing(node: Node) -> None:
    """It has ca.crt and its kubelet's kubeconfig, and no key is put there."""
    for path in ("pki/ca.key", "admin.conf", "controller-manager.conf", "scheduler.conf"):
        (node.root / path).unlink()
    for manifest in node.manifests.iterdir():
        manifest.unlink()
    old = (node.root / "pki/ca.crt").read_bytes()
    new = SigningAuthority.made("kubernetes", NOW, timedelta(days=3650)).certificate
    done = node.sh(
        lay_down(node.files(Authority.CLUSTER), Authority.CLUSTER), halves([("new.pem", new), ("old.pem", old)])
    )
    assert done.returncode == 0, done.stderr
    script = make(node.files(Authority.CLUSTER), Authority.CLUSTER, State.BOTH, control_plane=False)
    assert node.sh(script, node.edits(Authority.CLUSTER, State.BOTH, control_plane=False)).returncode == 0
    found = node.look(Authority.CLUSTER)
    assert state_of(found, *(halves_in(text)[0] for text in (old, new))) is State.BOTH
    assert found.signs == ""
    assert len(node.believes("kubelet.conf")) == 2


def test_a_second_new_one_is_an_error_and_the_same_one_is_none(node: Node) -> None:
    """Two runs cannot each bring their own."""
    node.begin(Authority.CLUSTER)
    work = node.root.parent / "work/ca"
    same = halves([(name, (work / name).read_bytes()) for name in ("new.key", "new.pem", "old.pem")])
    assert node.sh(lay_down(node.files(Authority.CLUSTER), Authority.CLUSTER), same).returncode == 0
    other = halves([("new.pem", b"another")])
    done = node.sh(lay_down(node.files(Authority.CLUSTER), Authority.CLUSTER), other)
    assert done.returncode == 1
    assert b"another new.pem is there already" in done.stderr
    assert {file.name for file in work.iterdir()} == {"old.pem", "old.key", "new.pem", "new.key"}
