"""The scripts that make keys and put certificates in place, run for real on folders: cut off at any command, they come to the same end."""

import json
from pathlib import Path

import pytest
import yaml

from tasks.certificate_issue import scripts as issue
from tasks.certificate_issue.models import WORK
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.probes.verify import where
from tasks.core.errors import CommandFailed, Refused
from tests.facts.issue import STACKED
from tests.facts.issue_machine import RUN, Machine
from tests.servers.kubeadm_pki import KubeadmPki, certificate_text


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Without anything."""
    return Machine(tmp_path / "kubernetes")


ALL = leaves_of(STACKED, "cp1")
SOME = tuple(leaf for leaf in ALL if leaf.name in {"apiserver", "admin.conf"})


def test_a_machine_has_what_kubeadm_would_have_made_there(machine: Machine, tmp_path: Path) -> None:
    """The same files with the same modes; keys belong to their certificates, and openssl finds each good for what it is for."""
    orders = machine.orders(ALL, machine.ask(ALL))
    done = machine.sh(issue.put_in_place(machine.folder, RUN), orders)
    assert (done.returncode, done.stderr) == (0, b"")
    told = issue.parse_written(done.stdout)
    assert set(told["written"]) == set(machine.modes())
    assert told["kept"] == ()
    theirs = KubeadmPki(tmp_path / "theirs", controlPlaneEndpoint="api.example.org:6443")
    theirs.make_all()
    wanted = Machine(theirs.folder).modes()
    assert machine.modes() == {
        path: mode for path, mode in wanted.items() if path not in {"kubeadm.yaml", "pki/sa.key", "pki/sa.pub"}
    }
    assert machine.verify(ALL) == ""
    assert machine.strangers(ALL) == []


def test_a_kubeconfig_is_kubeadms_but_for_keys_and_certificates(machine: Machine, tmp_path: Path) -> None:
    """Names, context and server."""
    machine.sh(issue.put_in_place(machine.folder, RUN), machine.orders(ALL, machine.ask(ALL)))
    theirs = KubeadmPki(tmp_path / "theirs", controlPlaneEndpoint="api.example.org:6443")
    theirs.make_all()

    def bare(text: str) -> object:
        found = yaml.safe_load(text)
        found["clusters"][0]["cluster"].pop("certificate-authority-data")
        for name in ("client-certificate-data", "client-key-data"):
            assert found["users"][0]["user"].pop(name)
        return found

    for leaf in ALL:
        if leaf.asks:
            assert bare((machine.root / leaf.path).read_text()) == bare((theirs.folder / leaf.path).read_text())


@pytest.mark.parametrize("commands", [2, 3, 5, 8, 10, 12, 14, 16, 18, 21, 25])
def test_cut_off_at_any_command_the_next_run_comes_to_the_same_end(machine: Machine, commands: int) -> None:
    """Whole pairs in place, nothing waiting, and the copies of what was there before all of it."""
    script = issue.put_in_place(machine.folder, RUN)
    machine.sh(script, machine.orders(SOME, machine.ask(SOME)))
    first = {path: (machine.root / path).read_bytes() for path in machine.modes()}
    machine.ask(SOME, commands=commands)
    machine.sh(script, machine.orders(SOME, machine.ask(SOME)), commands=commands)
    done = machine.sh(script, machine.orders(SOME, machine.ask(SOME)))
    assert done.returncode == 0, done.stderr
    assert machine.verify(SOME) == ""
    assert not (machine.root / WORK).exists()
    assert machine.strangers(SOME) == []
    kept = Path(issue.kept_folder(machine.folder, RUN))
    for path in ("pki/apiserver.crt", "pki/apiserver.key", "admin.conf"):
        assert (kept / path).read_bytes() == first[path]
        assert (machine.root / path).read_bytes() != first[path]
    assert not (kept / "pki/ca.key").exists()  # it was the same, and stayed


def test_a_key_is_never_replaced_without_a_copy(machine: Machine) -> None:
    """Nor is the copy: a second try of the run keeps what was there before the first one."""
    script = issue.put_in_place(machine.folder, RUN)
    for content in (b"first", b"second", b"third"):
        machine.root.mkdir(exist_ok=True)
        done = machine.sh(script, issue.whole_file("pki/sa.key", content, "600"))
        assert done.returncode == 0, done.stderr
    kept = Path(issue.kept_folder(machine.folder, RUN))
    assert (kept / "pki/sa.key").read_bytes() == b"first"
    assert f"{kept.stat().st_mode & 0o777:o}" == "700"
    assert issue.parse_written(done.stdout) == {"written": ("pki/sa.key",), "kept": (str(kept),)}


def test_keys_of_leaves_are_made_once_and_printed_never(machine: Machine) -> None:
    """Asked again before it is signed, a machine asks with the same key."""
    first, second = machine.ask(SOME), machine.ask(SOME)
    keys = {leaf.name: (machine.root / WORK / f"{leaf.name}.key").read_text() for leaf in SOME}
    assert set(first) == set(second) == set(keys)
    for name, key in keys.items():
        assert "PRIVATE KEY" in key
        assert b"PRIVATE KEY" not in first[name]


def test_openssl_tells_what_is_not_good(machine: Machine) -> None:
    """A certificate of another authority, or for another purpose."""
    leaves = leaves_of(STACKED, "cp1")
    machine.sh(issue.put_in_place(machine.folder, RUN), machine.orders(leaves, machine.ask(leaves)))
    other = tuple(leaf.model_copy(update={"authority": "etcd-ca"}) for leaf in leaves if leaf.name == "apiserver")
    assert "pki/apiserver.crt (sslserver): " in machine.verify(other)
    client = tuple(leaf.model_copy(update={"client": True}) for leaf in leaves if leaf.name == "apiserver")
    assert "pki/apiserver.crt (sslclient): " in machine.verify(client)


def test_a_kubelet_that_has_joined_names_the_file_of_its_certificate(machine: Machine) -> None:
    """kubeadm takes it out of its kubeconfig once the kubelet has one of its own."""
    leaves = tuple(leaf for leaf in ALL if leaf.name in {"apiserver", "kubelet.conf"})
    machine.sh(issue.put_in_place(machine.folder, RUN), machine.orders(leaves, machine.ask(leaves)))
    own, kubeconfig = machine.root.parent / "kubelet-client-current.pem", machine.root / "kubelet.conf"
    own.write_bytes(certificate_text(kubeconfig))
    _, name, rest = kubeconfig.read_text().partition("    client-certificate-data: ")
    assert name
    kubeconfig.write_text(kubeconfig.read_text().replace(name + rest, f"    client-certificate: {own}\n"))
    assert machine.verify(leaves) == ""
    own.write_bytes((machine.root / "pki/apiserver.crt").read_bytes())
    assert "kubelet.conf (sslclient): " in machine.verify(leaves)


def test_a_request_that_is_missing_is_told() -> None:
    """By name."""
    with pytest.raises(CommandFailed, match="cp1: openssl made no request for apiserver, admin.conf"):
        issue.parse_requests("cp1", b"request\nrequest apiserver \n", SOME)


def test_a_kubeconfig_is_judged_in_whatever_form_it_has(machine: Machine) -> None:
    """Base64 over several lines, and all of it in one; one without a certificate is told, one that is missing too."""
    leaves = tuple(leaf for leaf in ALL if leaf.name == "admin.conf")
    machine.sh(issue.put_in_place(machine.folder, RUN), machine.orders(leaves, machine.ask(leaves)))
    file = machine.root / "admin.conf"
    told = yaml.safe_load(file.read_text())
    data = told["users"][0]["user"]["client-certificate-data"]
    lines = "\n".join(f"      {data[at : at + 64]}" for at in range(0, len(data), 64))
    file.write_text(yaml.safe_dump(told, width=10**6).replace(data, f">-\n{lines}"))
    assert yaml.safe_load(file.read_text())["users"][0]["user"]["client-certificate-data"].replace(" ", "") == data
    assert machine.verify(leaves) == ""
    file.write_text(json.dumps(told))
    assert machine.verify(leaves) == ""
    file.write_text(json.dumps(told | {"users": []}))
    with pytest.raises(Refused, match="admin.conf: its user has no client certificate"):
        machine.verify(leaves)
    file.unlink()
    assert "admin.conf (sslclient): " in machine.verify(leaves)


def test_where_kubeadms_folder_leads(machine: Machine) -> None:
    """A link is followed; what is not there has its own name."""
    assert machine.sh(where(machine.folder)).stdout.decode().strip() == str(machine.root / "pki")
    machine.root.mkdir(parents=True)
    (machine.root / "pki").symlink_to("/srv/pki")
    assert machine.sh(where(machine.folder)).stdout.decode().strip() == "/srv/pki"
