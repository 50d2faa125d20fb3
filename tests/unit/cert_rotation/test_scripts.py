"""The acts of a rotation, run for real on folders: cut off at any command they come to the same end, and no key gets out."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest

from tasks.cert_rotation import scripts
from tasks.cert_rotation.models.rotation import Phase
from tasks.cert_rotation.probes import records
from tests.facts.rotation_machine import LEAVES, RECORD, Machine

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def test_a_copy_is_made_once_and_is_for_root_only(machine: Machine) -> None:
    """Without kubeadm's own copies; what is wanted is written down after it."""
    machine.begin()
    copy = machine.work / "0a1b2c3d-0000.tar"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert machine.work.stat().st_mode & 0o777 == 0o700
    first = copy.read_bytes()
    assert b"a copy of etcd's data" not in first
    machine.renew()
    machine.begin()
    assert copy.read_bytes() == first
    left = records.parse_left("cp1", machine.shell(records.look_at_record()).stdout)
    assert left.record == RECORD
    assert (left.ended, left.unreadable) == ((), "")


def test_what_the_same_run_left_of_an_earlier_time_is_not_its_copy(machine: Machine) -> None:
    """A person has set its record aside, and retries it: the copy is of now, and its job is not taken for done."""
    machine.begin()
    copy, job = machine.work / "0a1b2c3d-0000.tar", machine.root / "jobs" / scripts.job_of(RECORD)
    first = copy.read_bytes()
    job.mkdir(parents=True)
    (machine.work / "put-back").touch()
    (machine.work / "record.json").rename(machine.work / "x.void")
    (machine.folder / "manifests" / "etcd.yaml").write_text("manifest after an upgrade\n")
    machine.begin()
    assert b"manifest after an upgrade" in copy.read_bytes()
    assert (machine.work / "0a1b2c3d-0000.earlier.tar").read_bytes() == first
    assert not job.exists()
    assert not (machine.work / "put-back").exists()


def test_leaves_are_renewed_once_with_owner_and_mode(machine: Machine) -> None:
    """By kubeadm, in a folder of ours; another attempt renews nothing."""
    before, keys = machine.serials(), machine.keys()
    machine.begin()
    done = machine.renew()
    assert done.returncode == 0, done.stdout + done.stderr
    after = machine.serials()
    assert not set(before.values()) & set(after.values())
    assert machine.is_whole()
    assert (machine.folder / "pki" / "apiserver.key").stat().st_mode & 0o777 == 0o640
    calls = (machine.root / "calls").read_text()
    assert f"init phase certs apiserver --config {machine.work}/kubeadm.yaml" in calls
    assert "certs renew etcd-peer" in calls
    again = machine.renew()
    assert again.stdout.count(b"renewed before") == len(LEAVES)
    assert machine.serials() == after
    assert not (machine.work / "stage").exists()
    for key in [*keys, *machine.keys()]:
        assert key not in done.stdout + done.stderr + again.stdout


@pytest.mark.parametrize("left", [b"", b"no archive"])
def test_a_copy_that_cannot_be_read_does_not_make_leaves_renewed(machine: Machine, left: bytes) -> None:
    """Without it nobody knows what was renewed: nothing is done, and nothing is told as done."""
    machine.begin()
    before = machine.serials()
    copy = machine.work / "0a1b2c3d-0000.tar"
    copy.write_bytes(left) if left else copy.unlink()
    done = machine.renew()
    assert done.returncode != 0
    assert b"renewed before" not in done.stdout
    assert machine.serials() == before


@pytest.mark.parametrize("commands", range(1, 40, 5))
def test_cut_off_at_any_command_it_comes_to_the_same_end(machine: Machine, commands: int) -> None:
    """No pair is ever half, and what was renewed before the cut is not renewed again."""
    before = machine.serials()
    machine.begin()
    cut = machine.renew(commands=commands)
    middle = machine.serials()
    done = machine.renew()
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.is_whole()
    after = machine.serials()
    assert not set(before.values()) & set(after.values())
    if cut.returncode == 0:
        assert after == middle
    back = machine.shell(scripts.put_back(machine.where, RECORD))
    assert back.returncode == 0, back.stderr
    assert machine.serials() == before
    assert machine.is_whole()


def test_a_beginning_that_is_cut_off_at_any_command_is_begun_again(machine: Machine) -> None:
    """The copy is whole, or it is not there; the record comes last."""
    script = scripts.begin(machine.where, RECORD)
    copy = machine.work / "0a1b2c3d-0000.tar"
    whole = 0
    for command in range(1, 9):
        shutil.rmtree(machine.work, ignore_errors=True)
        cut = machine.shell(script, b"kubeadm", commands=command)
        left = records.parse_left("cp1", machine.shell(records.look_at_record()).stdout)
        assert (left.record is None) is (cut.returncode != 0)
        assert copy.exists() or left.record is None
        whole += cut.returncode == 0
        assert machine.shell(script, b"kubeadm").returncode == 0
        listed = subprocess.run(["tar", "-tf", copy], capture_output=True, text=True, check=True).stdout
        assert "kubernetes/pki/ca.key" in listed
        assert records.parse_left("cp1", machine.shell(records.look_at_record()).stdout).record == RECORD
    assert whole >= 1, "it was cut off before each command, and the last time not at all"


def test_a_way_back_that_is_cut_off_at_any_command_comes_to_the_same_end(machine: Machine) -> None:
    """Files first, then manifests, then the mark."""
    before = machine.serials()
    machine.begin()
    script = scripts.put_back(machine.where, RECORD)
    manifest, parked = machine.folder / "manifests" / "etcd.yaml", machine.parked
    whole = 0
    for command in range(1, 11):
        (machine.work / "put-back").unlink(missing_ok=True)
        (machine.folder / "pki" / "apiserver.crt").write_text("new")
        (machine.folder / "manifests" / "kube-apiserver.yaml").write_text("new")
        parked.mkdir(exist_ok=True)
        manifest.rename(parked / "etcd.yaml")
        cut = machine.shell(script, commands=command)
        whole += cut.returncode == 0
        assert machine.shell(script).returncode == 0
        assert machine.serials() == before
        assert manifest.read_text() == "manifest of etcd\n"
        assert not list(parked.iterdir())
        assert (machine.work / "put-back").exists()
    assert whole == 1, "it was cut off before each command, and the last time not at all"


def test_a_key_that_is_not_its_certificates_is_put_back_first(machine: Machine) -> None:
    """A power cut between two moves."""
    machine.begin()
    machine.shell(f"openssl ecparam -name prime256v1 -genkey -noout -out {machine.folder}/pki/etcd/peer.key")
    assert not machine.is_whole()
    assert machine.renew().returncode == 0
    assert machine.is_whole()


def test_an_external_authority_is_no_success(machine: Machine) -> None:
    """kubeadm ends with status 0 and has done nothing."""
    machine.begin()
    (machine.folder / "pki" / "etcd" / "ca.key").unlink()
    before = machine.serials()
    done = machine.renew()
    assert done.returncode != 0
    assert machine.serials() == before


def test_files_and_manifests_of_before_come_back_and_the_run_is_forgotten(machine: Machine) -> None:
    """A manifest that was away, and one that somebody has changed since; the time is kept, also of a second attempt."""
    before = machine.serials()
    machine.begin()
    machine.renew()
    machine.parked.mkdir()
    (machine.folder / "manifests" / "etcd.yaml").rename(machine.parked / "etcd.yaml")
    (machine.folder / "manifests" / "kube-apiserver.yaml").write_text("broken")
    assert records.parse_time(machine.shell(records.when_put_back()).stdout.decode()) is None
    script = scripts.put_back(machine.where, RECORD.model_copy(update={"phase": Phase.PUTTING_BACK}))
    for _ in range(2):
        assert machine.shell(script).returncode == 0
    assert machine.serials() == before
    for name in ("etcd", "kube-apiserver"):
        assert (machine.folder / "manifests" / f"{name}.yaml").read_text() == f"manifest of {name}\n"
    assert not list(machine.parked.iterdir())
    when = records.parse_time(machine.shell(records.when_put_back()).stdout.decode())
    assert when
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)
    job = machine.root / "jobs" / scripts.job_of(RECORD)
    job.mkdir(parents=True)
    assert machine.shell(scripts.forget(RECORD)).returncode == 0
    assert not job.exists()
    assert [path.name for path in machine.work.iterdir()] == ["0a1b2c3d-0000.put-back.tar"]
    assert records.parse_left("cp1", machine.shell(records.look_at_record()).stdout).record is None


def test_an_end_is_written_down_and_only_the_newest_copies_stay(machine: Machine) -> None:
    """They have keys in them."""
    for number in range(5):
        record = RECORD.model_copy(update={"run_id": f"run{number}aaa"})
        machine.begin(record)
        machine.shell(f"touch -d '2026-11-2{number}' {machine.work}/run{number}aaa.tar")
        assert machine.shell(scripts.note(record)).returncode == 0
        assert machine.shell(scripts.end(record.run_id)).returncode == 0
    left = records.parse_left("cp1", machine.shell(records.look_at_record()).stdout)
    assert left.ended == tuple(f"run{number}aaa" for number in range(5))
    assert left.record is None
    assert sorted(path.name for path in machine.work.glob("*.tar")) == ["run2aaa.tar", "run3aaa.tar", "run4aaa.tar"]


def test_copies_of_a_kubeconfig_get_what_is_new_and_nothing_else(machine: Machine) -> None:
    """One with other users keeps them; one that cannot be told apart is left; modes stay, and no key is printed."""
    admin = machine.folder / "admin.conf"
    same, merged, strange = (machine.root / name for name in ("same", "merged", "strange"))
    same.write_text("server: https://elsewhere:6443\n" + admin.read_text())
    same.chmod(0o640)
    other = "- user:\n    client-certificate-data: AAAA\n    client-key-data: BBBB\n"
    merged.write_text(admin.read_text() + other)
    strange.write_text(f"users:\n{other}{other}")
    machine.begin()
    assert machine.renew().returncode == 0
    paths = [(str(path), "admin.conf") for path in (same, merged, strange, machine.root / "none")]
    script = scripts.refresh(machine.where, RECORD, paths)
    for _ in range(2):
        done = machine.shell(script)
        assert done.returncode == 0, done.stderr
        fresh, left = scripts.parse_refreshed(done.stdout.decode())
        assert fresh == (str(same), str(merged))
        assert left == {
            str(strange): "it has several users, and none with the certificate of before",
            str(machine.root / "none"): "it is not there",
        }
        assert b"BBBB" not in done.stdout + done.stderr
    assert same.read_text() == "server: https://elsewhere:6443\n" + admin.read_text()
    assert same.stat().st_mode & 0o777 == 0o640
    assert merged.read_text() == admin.read_text() + other
    assert strange.read_text() == f"users:\n{other}{other}"
    assert not list(machine.root.glob("*.??????"))


def test_the_same_leaves_of_a_run_are_the_same_job() -> None:
    """Others are another one: an attempt must not attach to a job that renewed something else."""
    assert scripts.job_of(RECORD) == scripts.job_of(RECORD.model_copy(update={"reason": "x"}))
    assert scripts.job_of(RECORD) != scripts.job_of(RECORD.model_copy(update={"leaves": ("apiserver",)}))


@pytest.mark.parametrize("linked", ["pki", "pki/apiserver.crt"])
def test_a_link_is_followed_and_stays_one(machine: Machine, linked: str) -> None:
    """`pki` is a link (kubespray), or a file in it is: what it leads to is copied, renewed once, and put back."""
    real = machine.root / "elsewhere"
    (machine.folder / linked).rename(real)
    (machine.folder / linked).symlink_to(real)
    before = machine.serials()
    machine.begin()
    for _ in range(2):
        done = machine.renew()
        assert done.returncode == 0, done.stdout + done.stderr
    after = machine.serials()
    assert not set(before.values()) & set(after.values())
    assert (machine.root / "calls").read_text().count("apiserver") == 1
    assert (machine.folder / linked).is_symlink()
    assert machine.is_whole()
    done = machine.shell(scripts.put_back(machine.where, RECORD))
    assert done.returncode == 0, done.stderr
    assert machine.serials() == before
    assert (machine.folder / linked).is_symlink()


@pytest.mark.parametrize("linked", [False, True])
def test_certificates_may_be_outside_of_kubeadms_folder(machine: Machine, linked: bool) -> None:  # noqa: FBT001
    """certificatesDir is another folder, or a link to one: they are copied, renewed once, and put back there."""
    elsewhere = machine.root / "srv" / "pki"
    real = machine.root / "srv" / "ssl" if linked else elsewhere
    real.parent.mkdir()
    (machine.folder / "pki").rename(real)
    if linked:
        elsewhere.symlink_to(real)
    machine.where = machine.where.model_copy(update={"pki": PurePosixPath(elsewhere)})
    before = machine.serials()
    machine.begin()
    for _ in range(2):
        done = machine.renew()
        assert done.returncode == 0, done.stdout + done.stderr
    assert not set(before.values()) & set(machine.serials().values())
    assert machine.is_whole()
    assert (machine.root / "calls").read_text().count("apiserver") == 1
    done = machine.shell(scripts.put_back(machine.where, RECORD))
    assert done.returncode == 0, done.stderr
    assert machine.serials() == before
    assert elsewhere.is_symlink() is linked
    assert not (machine.folder / "pki").exists()


@pytest.mark.parametrize("name", ["my pki", "pki [a-z]* ?", "p\\bki", "schlüssel", " pki ", "$(false) 'pki'"])
def test_certificates_may_be_in_a_folder_with_any_name(machine: Machine, name: str) -> None:
    """A space, a pattern, what tar would escape: it is copied whole, renewed once and put back, and kubeadm's own copies stay out."""
    odd = machine.root / "srv" / name
    odd.parent.mkdir()
    (machine.folder / "pki").rename(odd)
    machine.where = machine.where.model_copy(update={"pki": PurePosixPath(odd)})
    before = machine.serials()
    machine.begin()
    assert b"a copy of etcd's data" not in (machine.work / "0a1b2c3d-0000.tar").read_bytes()
    for _ in range(2):
        done = machine.renew()
        assert done.returncode == 0, done.stdout + done.stderr
    assert not set(before.values()) & set(machine.serials().values())
    assert (machine.root / "calls").read_text().count("apiserver") == 1
    done = machine.shell(scripts.put_back(machine.where, RECORD))
    assert done.returncode == 0, done.stderr
    assert machine.serials() == before
    assert machine.is_whole()


def test_only_kubeadms_own_copies_stay_out_of_the_copy(machine: Machine) -> None:
    """Not what is called so somewhere below another folder."""
    elsewhere = machine.root / "srv"
    elsewhere.mkdir()
    (machine.folder / "pki").rename(elsewhere / "pki")
    machine.where = machine.where.model_copy(update={"pki": PurePosixPath(elsewhere / "pki")})
    alike = elsewhere / "pki" / str(machine.folder).removeprefix("/") / "tmp"
    alike.mkdir(parents=True)
    (alike / "kept").write_text("it is nobody's copy")
    machine.begin()
    copy = (machine.work / "0a1b2c3d-0000.tar").read_bytes()
    assert b"it is nobody's copy" in copy
    assert b"a copy of etcd's data" not in copy


def test_what_was_not_there_before_is_not_looked_for_in_the_copy(machine: Machine) -> None:
    """A key that somebody has taken away: kubeadm makes another one, and the way back takes it away again."""
    key = machine.folder / "pki" / "etcd" / "peer.key"
    key.unlink()
    before = machine.serials()
    machine.begin()
    done = machine.renew()
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.is_whole()
    for _ in range(2):
        done = machine.shell(scripts.put_back(machine.where, RECORD))
        assert done.returncode == 0, done.stderr
        assert machine.serials() == before
        assert not key.exists()


def test_a_copy_that_cannot_be_read_takes_nothing_away(machine: Machine) -> None:
    """It is not a copy in which nothing is."""
    machine.begin()
    assert machine.renew().returncode == 0
    (machine.work / "0a1b2c3d-0000.tar").write_bytes(b"x" * 2048)
    before = machine.serials()
    assert machine.shell(scripts.put_back(machine.where, RECORD)).returncode != 0
    assert machine.serials() == before
    assert machine.is_whole()
    assert not (machine.work / "put-back").exists()
