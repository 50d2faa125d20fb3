"""Certificates from nothing on two machines of our own (folders and a shell): whole, resumable, and no key is told to anybody."""

import base64
import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tasks.certificate_issue.issue import issue_on_all, prove_on_all
from tasks.certificate_issue.models import IssuedAll, IssuePlan, IssueRequest
from tasks.certificate_issue.observe import look_at_request
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.policy.plan import plan_issue
from tasks.certificates.authority import SigningAuthority
from tasks.clients.ssh import Output
from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.redaction import redact
from tests.facts.folder_node import FolderNode, Killed
from tests.facts.issue import EXTERNAL, STACKED
from tests.facts.profiles import profile_of

FOLDER = PurePosixPath("/etc/kubernetes")
RUN = "0a1b2c3d-4711"
QUICK = """\
openssl() {
  [ "$1" = genrsa ] || { command openssl "$@"; return; }
  command openssl ecparam -name prime256v1 -genkey -noout -out "$3"
}
"""
"""Keys are made in a moment."""


class Machine(FolderNode):
    """Its /etc/kubernetes is a folder of the test."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, {str(FOLDER): folder}, QUICK)
        self.folder = folder

    def run(self, command: str, **given: Any) -> Output:  # noqa: ANN401 - of SshNode.run
        """What it prints has paths in base64, too."""
        done = super().run(command, **given)
        stdout = re.sub(rb"[A-Za-z0-9+/]{8,}={0,2}", self._as_on_a_node, done.stdout)
        return replace(done, stdout=stdout)

    def _as_on_a_node(self, found: re.Match[bytes]) -> bytes:
        try:
            path = base64.b64decode(found[0], validate=True)
        except ValueError:
            return found[0]
        here = str(self.folder).encode()
        return base64.b64encode(path.replace(here, str(FOLDER).encode())) if path.startswith(here) else found[0]

    def file(self, path: str) -> Path:
        """Below its /etc/kubernetes."""
        return self.folder / path


class World(Cluster):
    """Machines with nothing, and a profile that knows them."""

    def __init__(self, folder: Path) -> None:
        names = ("cp1", "cp2", "etcd1")
        super().__init__(profile_of(*names))
        self.machines = {name: Machine(name, folder / name) for name in names}

    def node(self, name: str) -> Machine:
        """A folder and a shell."""
        return self.machines[name]

    def plan(self, request: IssueRequest = STACKED) -> IssuePlan:
        """Of now."""
        return plan_issue(look_at_request(self, request), request, now=datetime.now(UTC))

    def issue(self, plan: IssuePlan, request: IssueRequest = STACKED) -> IssuedAll:
        """What the plan says."""
        return issue_on_all(self, plan, request, RUN, lambda: None)

    def prove(self, request: IssueRequest = STACKED) -> tuple[str, ...]:
        """At the end."""
        return prove_on_all(self, request)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """For what is made on them."""
    return World(tmp_path)


def test_two_control_planes_from_nothing(world: World) -> None:
    """The same authorities on both, each with leaves of its own; looked at again, there is nothing to do."""
    issued = world.issue(world.plan())
    assert len(world.prove()) == 12 + 11
    assert world.plan().steps == ()
    assert all(origin.startswith("made, valid until") for origin in issued.authorities.values())
    one, two = world.node("cp1"), world.node("cp2")
    for path in ("pki/ca.crt", "pki/ca.key", "pki/etcd/ca.key", "pki/front-proxy-ca.key", "pki/sa.key", "pki/sa.pub"):
        assert one.file(path).read_bytes() == two.file(path).read_bytes()
    for path in ("pki/apiserver.key", "pki/etcd/peer.key", "admin.conf"):
        assert one.file(path).read_bytes() != two.file(path).read_bytes()
    assert not two.file("super-admin.conf").exists()


@pytest.mark.parametrize("orders", [1, 2])
def test_a_run_that_died_is_gone_on_with_and_makes_no_second_authority(world: World, orders: int) -> None:
    """Neither by its own next try, which has the old plan, nor by another run."""
    plan = world.plan()
    world.node("cp1").orders_until_killed = orders
    with pytest.raises(Killed):
        world.issue(plan)
    first = world.node("cp1").file("pki/ca.crt").read_bytes()
    world.issue(plan)
    assert world.prove()
    assert {world.node(name).file("pki/ca.crt").read_bytes() for name in ("cp1", "cp2")} == {first}


def test_no_key_is_told_to_anybody(world: World) -> None:
    """Neither in commands, nor in what they print, nor in results; what the worker had to know is masked in logs."""
    plan = world.plan()
    results = [plan, world.issue(plan)]
    told = "".join(line for machine in world.machines.values() for line in machine.said)
    told += "".join(result.model_dump_json() for result in results)
    for machine in (world.node("cp1"), world.node("cp2")):
        for file in machine.folder.rglob("*.key"):
            key = file.read_text()
            secret = key.splitlines()[1]
            assert secret not in told
            assert base64.b64encode(key.encode()).decode()[100:160] not in told
    for name in ("pki/ca.key", "pki/sa.key"):
        line = world.node("cp1").file(name).read_text().splitlines()[1]
        assert redact(line) == "***"


def test_an_external_etcd_is_proven_on_both_sides(world: World) -> None:
    """The control plane is its client; the key of its authority is on the one machine."""
    world.issue(world.plan(EXTERNAL), EXTERNAL)
    assert world.prove(EXTERNAL)
    assert world.node("etcd1").file("pki/etcd/ca.key").exists()
    assert not world.node("cp1").file("pki/etcd/ca.key").exists()
    assert not world.node("etcd1").file("pki/ca.crt").exists()


def test_another_name_for_the_api_keeps_what_was_there(world: World) -> None:
    """Only what has the name in it is made anew, of the authority that is there; copies of what was there are kept."""
    world.issue(world.plan())
    before = world.node("cp1").file("pki/apiserver.key").read_bytes()
    other = STACKED.model_copy(update={"endpoint": "new.example.org:6443", "replace": True})
    plan = world.plan(other)
    assert {step.act.partition(":")[0] for step in plan.steps} == {"apiserver", "admin.conf", "super-admin.conf"}
    issued = world.issue(plan, other)
    assert world.prove(other)
    assert issued.authorities == {"ca": "cp1"}
    [kept] = {one.kept for one in issued.machines if one.name == "cp1"}
    copy = PurePosixPath(kept).relative_to(FOLDER) / "pki/apiserver.key"
    assert world.node("cp1").file(str(copy)).read_bytes() == before


def test_what_the_plan_had_not_is_not_done(world: World) -> None:
    """Somebody took a certificate away after a person had said yes."""
    world.issue(world.plan())
    plan = world.plan()
    world.node("cp2").file("pki/front-proxy-client.crt").unlink()
    with pytest.raises(Refused, match="cp2: front-proxy-client: a new key and certificate was not in the plan"):
        world.issue(plan)
    with pytest.raises(NotYet, match="not everything is in place: cp2: front-proxy-client"):
        world.prove()


def test_a_certificate_that_is_for_clients_alone_is_made_again(world: World) -> None:
    """It has its subject and its names; the plan says why, and the proof does not call it finished."""
    world.issue(world.plan())
    machine = world.node("cp2")
    [leaf] = [leaf for leaf in leaves_of(STACKED, "cp2") if leaf.name == "apiserver"]
    words = ["openssl", "req", "-new", "-key", str(machine.file("pki/apiserver.key")), "-subj", "/CN=cp2"]
    request = subprocess.run(words, capture_output=True, check=True).stdout
    authority = SigningAuthority.read(machine.file("pki/ca.crt").read_bytes(), machine.file("pki/ca.key").read_bytes())
    wrong = leaf.model_copy(update={"server": False, "client": True})
    certificate = authority.sign(wrong, request, datetime.now(UTC), timedelta(days=10))
    machine.file("pki/apiserver.crt").write_bytes(certificate)
    [step] = world.plan().steps
    assert (step.subject, step.act) == ("cp2", "apiserver: a new key and certificate")
    assert step.reason == "it is good for clientAuth, not for serverAuth"
    with pytest.raises(
        NotYet, match="not everything is in place: cp2: apiserver: .*good for clientAuth, not for serverAuth"
    ):
        world.prove()


def test_what_openssl_does_not_find_good_is_told(world: World) -> None:
    """Whatever our own look says: this one has its subject, its names and its usages, and its key may only sign certificates."""
    world.issue(world.plan())
    machine = world.node("cp2")
    [leaf] = [leaf for leaf in leaves_of(STACKED, "cp2") if leaf.name == "apiserver"]
    key, ca, made = (machine.file(f"pki/{name}") for name in ("apiserver.key", "ca.crt", "apiserver.crt"))
    names = ",".join([*(f"DNS:{one}" for one in leaf.dns), *(f"IP:{one}" for one in leaf.addresses)])
    extensions = machine.folder.parent / "extensions"
    extensions.write_text(
        f"keyUsage=critical,keyCertSign\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\nsubjectAltName={names}\n"
    )
    request = ["openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={leaf.common_name}"]
    asked = subprocess.run(request, capture_output=True, check=True).stdout
    sign = ["openssl", "x509", "-req", "-CA", str(ca), "-CAkey", str(machine.file("pki/ca.key")), "-set_serial", "7"]
    signed = subprocess.run(
        [*sign, "-days", "10", "-extfile", str(extensions)], input=asked, capture_output=True, check=True
    ).stdout
    made.write_bytes(signed)
    assert world.plan().steps == ()
    with pytest.raises(Refused, match=r"openssl rejects them: cp2: pki/apiserver.crt \(sslserver\): "):
        world.prove()


def test_machines_that_the_profile_does_not_know_are_refused(world: World) -> None:
    """Before anything is connected to."""
    world.profile = profile_of("cp1", "etcd1")
    with pytest.raises(Refused, match="not in `nodes` of the profile: cp2"):
        world.plan()
    assert json.dumps(world.node("cp1").said) == "[]"
