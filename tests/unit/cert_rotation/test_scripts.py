"""The scripts of a rotation, run for real on folders: cut off at any command they come to the same end, and no key gets out.

kubeadm is a script of ours here that does what kubeadm v1.37.2 was seen to do: a new key and certificate into the folder that its
configuration names, by the authority there, and status 0 also where it does nothing (an external authority).
"""

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from tasks.cert_rotation import scripts as rotation
from tasks.cert_rotation.models.rotation import Phase, RotationRecord
from tasks.certificates.probes import kubelet
from tasks.certificates.probes.x509 import certificates_in

LEAVES = ("etcd-peer", "apiserver", "admin.conf", "scheduler.conf")
RECORD = RotationRecord(
    run_id="0a1b2c3d-0000",
    begun_at=datetime(2026, 11, 25, tzinfo=UTC),
    leaves=LEAVES,
    anew=("apiserver",),
    restarts=("etcd", "kube-apiserver"),
)
KUBEADM = r"""#!/bin/sh
set -eu
echo "$*" >> CALLS
if [ "$1" = version ]; then echo v1.37.2; exit; fi
for config in "$@"; do :; done
pki=$(sed -n 's/^certificatesDir: *//p' "$config" | tr -d "'")
case "$1" in certs) name=$3 ;; init) name=$4 ;; esac
make() { # KEY CERTIFICATE AUTHORITY
  [ -e "$3.key" ] || { echo "Detected external ca, $name can't be renewed"; exit 0; }
  openssl ecparam -name prime256v1 -genkey -noout -out "$1"
  openssl req -new -key "$1" -subj "/CN=$name" | openssl x509 -req -CA "$3.crt" -CAkey "$3.key" -set_serial "0x$(openssl rand -hex 8)" -days 30 -out "$2" 2> /dev/null
}
case "$name" in
  etcd-peer) make "$pki/etcd/peer.key" "$pki/etcd/peer.crt" "$pki/etcd/ca" ;;
  apiserver) make "$pki/apiserver.key" "$pki/apiserver.crt" "$pki/ca" ;;
  *) make "$pki/x.key" "$pki/x.crt" "$pki/ca"
     printf 'users:\n- user:\n    client-certificate-data: %s\n    client-key-data: %s\n' "$(base64 -w0 < "$pki/x.crt")" "$(base64 -w0 < "$pki/x.key")" > "FOLDER/$name" ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Machine:
    """kubeadm's folder with a few certificates, and the programs that a script calls."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.work = root, root / "kubernetes", root / "work"
        (self.folder / "pki" / "etcd").mkdir(parents=True)
        (self.folder / "manifests").mkdir()
        (self.folder / "tmp").mkdir()
        (self.folder / "tmp" / "large").write_text("a copy of etcd's data")
        self.bin = root / "bin"
        self.bin.mkdir()
        kubeadm = self.bin / "kubeadm"
        kubeadm.write_text(KUBEADM.replace("FOLDER", str(self.folder)).replace("CALLS", str(root / "calls")))
        kubeadm.chmod(0o755)
        for name in ("etcd", "kube-apiserver"):
            (self.folder / "manifests" / f"{name}.yaml").write_text(f"manifest of {name}\n")
        for authority in ("ca", "etcd/ca"):
            self.shell(
                f"cd {self.folder}/pki; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 300 "
                f"-subj /CN=ca -keyout {authority}.key -out {authority}.crt"
            )
        (root / "first.yaml").write_text(f"certificatesDir: {self.folder}/pki\n")
        for leaf in LEAVES:
            self.shell(f"kubeadm certs renew {leaf} --config {root}/first.yaml; rm -f {self.folder}/pki/x.*")
        (self.folder / "pki" / "apiserver.key").chmod(0o640)
        (root / "calls").unlink()

    def shell(self, script: str, stdin: bytes = b"", *, commands: int = 0) -> subprocess.CompletedProcess[bytes]:
        """With `commands` it dies right before its n-th command that changes anything."""
        count = self.root / "count"
        count.write_text("0")
        guard = f"n() {{ c=$(($(cat {count}) + 1)); echo $c > {count}; [ $c -ne {commands} ] || kill -9 $$; }}\n"
        for program in ("mv", "cp", "rm", "kubeadm", "mkdir", "sync", "touch"):
            guard += f'{program}() {{ n; command {program} "$@"; }}\n'
        text = script.replace("/var/lib/kube-runbooks/certificates", str(self.work))
        text = text.replace("/etc/kubernetes/kube-runbooks-parked", str(self.root / "parked"))
        text = text.replace("/var/lib/kube-runbooks/jobs", str(self.root / "jobs"))
        environment = {"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        return subprocess.run(
            ["bash", "-c", guard + text], input=stdin, capture_output=True, check=False, env=environment
        )

    def begin(self, record: RotationRecord = RECORD) -> None:
        """A configuration that names what is filled in."""
        configuration = b"kubernetesVersion: '@VERSION@'\ncertificatesDir: '@FOLDER@'\n"
        done = self.shell(rotation.begin(PurePosixPath(self.folder), record), configuration)
        assert done.returncode == 0, done.stderr

    def renew(self, *, commands: int = 0) -> subprocess.CompletedProcess[bytes]:
        """The job."""
        return self.shell(rotation.renew(PurePosixPath(self.folder), RECORD), commands=commands)

    def serials(self) -> dict[str, int]:
        """Of the leaves, as they are."""
        found = {}
        for leaf in LEAVES:
            text = (self.folder / rotation.files_of(leaf)[0]).read_bytes()
            if leaf.endswith(".conf"):
                text = base64.b64decode(text.partition(b"client-certificate-data: ")[2].split()[0])
            found[leaf] = certificates_in(text)[0].serial_number
        return found

    def is_whole(self) -> bool:
        """Each key belongs to its certificate."""
        lines = [
            f"fits {self.folder}/{files[0]} {self.folder}/{files[1]}"
            if len(files) > 1
            else f"fits_inside {self.folder}/{files[0]}"
            for files in map(rotation.files_of, LEAVES)
        ]
        return self.shell(rotation._PAIRS + "\n".join(["set -e", *lines])).returncode == 0  # noqa: SLF001 - its own words

    def keys(self) -> list[bytes]:
        """Every private key, as lines and as one word."""
        found = []
        for path in self.folder.rglob("*.key"):
            found += [*path.read_bytes().splitlines()[1:-1], base64.b64encode(path.read_bytes())]
        return [line for line in found if len(line) > 40]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One for a test."""
    return Machine(tmp_path)


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
    left = rotation.parse_left("cp1", machine.shell(rotation.look()).stdout)
    assert left.record == RECORD
    assert (left.ended, left.unreadable) == ((), "")


def test_what_the_same_run_left_of_an_earlier_time_is_not_its_copy(machine: Machine) -> None:
    """A person has set its record aside, and retries it: the copy is of now, and its job is not taken for done."""
    machine.begin()
    copy, job = machine.work / "0a1b2c3d-0000.tar", machine.root / "jobs" / rotation.job_of(RECORD)
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


def test_a_record_that_cannot_be_understood_is_no_node_without_one(machine: Machine) -> None:
    """Cut off, or of another version."""
    machine.work.mkdir()
    (machine.work / "record.json").write_text('{"run_id": "x"')
    left = rotation.parse_left("cp1", machine.shell(rotation.look()).stdout)
    assert left.record is None
    assert "cannot be understood" in left.unreadable


@pytest.mark.parametrize("programs", [(), ("curl",), ("curl", "kubectl")])
def test_proofs_are_asked_before_the_act_by_what_is_there(tmp_path: Path, programs: tuple[str, ...]) -> None:
    """Each answer is one of a proof; a program that is missing is a fact of its own."""
    for program in ("sed", "tail", "cat"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    answers = {
        "curl": 'for url in "$@"; do :; done; case "$url" in *10257*) echo ok ;; *10259*) echo "[-]ping failed" ;; *) printf 200 ;; esac',
        "kubectl": 'case "$*" in *admin*) echo kubernetes-admin ;; *) echo "error: Unauthorized" >&2; exit 1 ;; esac',
    }
    for program in programs:
        (tmp_path / program).write_text(f"#!/bin/sh\n{answers[program]}\n")
        (tmp_path / program).chmod(0o755)
    script = rotation.prove_now(["/k/admin.conf", "/k/scheduler.conf"])
    told = subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, check=False)
    found = rotation.parse_proofs("cp1", told.stdout)
    assert (found.curl, found.kubectl) == ("curl" in programs, "kubectl" in programs)
    if programs:
        assert found.ails == {"kube-scheduler": "[-]ping failed"}
    else:
        assert set(found.ails) == {"kube-scheduler", "kube-controller-manager", "kube-apiserver"}
    assert found.nobody == ({"/k/scheduler.conf": "error: Unauthorized"} if found.kubectl else {})


@pytest.mark.parametrize("refusal", [401, 403])
@pytest.mark.parametrize(
    ("own", "ails"), [(200, {}), (500, {"kube-apiserver": "500"}), (401, {"kube-apiserver": "401"})]
)
def test_an_api_server_that_answers_nobody_without_a_name_is_asked_as_its_own_client(
    tmp_path: Path, refusal: int, own: int, ails: dict[str, str]
) -> None:
    """`--anonymous-auth=false`, as hardening guides want it: the proof afterwards asks with a certificate, too."""
    (tmp_path / "sed").symlink_to("/usr/bin/sed")
    (tmp_path / "curl").write_text(
        f'#!/bin/sh\ncase "$*" in *healthz*) echo ok ;; *--cert*) printf {own} ;; *) printf {refusal} ;; esac\n'
    )
    (tmp_path / "curl").chmod(0o755)
    script = rotation.prove_now([])
    told = subprocess.run(["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, check=False)
    assert rotation.parse_proofs("cp1", told.stdout).ails == ails


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
    assert f"init phase certs apiserver --config {machine.work}/stage/kubeadm.yaml" in calls
    assert "certs renew etcd-peer" in calls
    again = machine.renew()
    assert again.stdout.count(b"renewed before") == len(LEAVES)
    assert machine.serials() == after
    assert not (machine.work / "stage").exists()
    for key in [*keys, *machine.keys()]:
        assert key not in done.stdout + done.stderr + again.stdout


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
    back = machine.shell(rotation.put_back(PurePosixPath(machine.folder), RECORD))
    assert back.returncode == 0, back.stderr
    assert machine.serials() == before
    assert machine.is_whole()


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
    (machine.root / "parked").mkdir()
    (machine.folder / "manifests" / "etcd.yaml").rename(machine.root / "parked" / "etcd.yaml")
    (machine.folder / "manifests" / "kube-apiserver.yaml").write_text("broken")
    assert rotation.parse_time(machine.shell(rotation.when_put_back()).stdout.decode()) is None
    script = rotation.put_back(PurePosixPath(machine.folder), RECORD.model_copy(update={"phase": Phase.PUTTING_BACK}))
    for _ in range(2):
        assert machine.shell(script).returncode == 0
    assert machine.serials() == before
    for name in ("etcd", "kube-apiserver"):
        assert (machine.folder / "manifests" / f"{name}.yaml").read_text() == f"manifest of {name}\n"
    assert not list((machine.root / "parked").iterdir())
    when = rotation.parse_time(machine.shell(rotation.when_put_back()).stdout.decode())
    assert when
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)
    job = machine.root / "jobs" / rotation.job_of(RECORD)
    job.mkdir(parents=True)
    assert machine.shell(rotation.forget(RECORD)).returncode == 0
    assert not job.exists()
    assert [path.name for path in machine.work.iterdir()] == ["0a1b2c3d-0000.put-back.tar"]
    assert rotation.parse_left("cp1", machine.shell(rotation.look()).stdout).record is None


def test_an_end_is_written_down_and_only_the_newest_copies_stay(machine: Machine) -> None:
    """They have keys in them."""
    for number in range(5):
        record = RECORD.model_copy(update={"run_id": f"run{number}aaa"})
        machine.begin(record)
        machine.shell(f"touch -d '2026-11-2{number}' {machine.work}/run{number}aaa.tar")
        assert machine.shell(rotation.note(record)).returncode == 0
        assert machine.shell(rotation.end(record.run_id)).returncode == 0
    left = rotation.parse_left("cp1", machine.shell(rotation.look()).stdout)
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
    script = rotation.refresh(PurePosixPath(machine.folder), RECORD, paths)
    for _ in range(2):
        done = machine.shell(script)
        assert done.returncode == 0, done.stderr
        fresh, left = rotation.parse_refreshed(done.stdout.decode())
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


def test_a_kubelets_certificate_is_signed_for_its_own_key_and_its_own_name_only(machine: Machine) -> None:
    """The request goes to a control plane node, the certificate comes back; both are public."""
    pki = machine.root / "kubelet"
    pki.mkdir()
    here = "/var/lib/kubelet/pki"
    machine.shell(
        f"cd {pki}; openssl ecparam -name prime256v1 -genkey -noout -out old.pem; "
        f"ln -s {pki}/old.pem kubelet-client-current.pem"
    )
    systemctl = machine.bin / "systemctl"
    systemctl.write_text("#!/bin/sh\necho $* >> " + str(machine.root / "units") + "\n")
    systemctl.chmod(0o755)
    key = (pki / "old.pem").read_bytes()
    request = machine.shell(kubelet.ask_for_kubelet("w1").replace(here, str(pki))).stdout
    sign = kubelet.sign_for_kubelet(PurePosixPath(machine.folder), "w1", 48)
    signed = machine.shell(sign, request)
    assert signed.returncode == 0, signed.stderr
    [certificate] = certificates_in(signed.stdout)
    assert certificate.subject.rfc4514_string() == "CN=system:node:w1,O=system:nodes"
    assert certificate.not_valid_after_utc - datetime.now(UTC) < timedelta(hours=48)
    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(hours=47)
    refused = machine.shell(kubelet.sign_for_kubelet(PurePosixPath(machine.folder), "w2", 48), request)
    assert refused.returncode == 1
    assert b"not asked for by w2" in refused.stderr
    install = kubelet.install_for_kubelet().replace(here, str(pki))
    assert machine.shell(install, (machine.folder / "pki" / "ca.crt").read_bytes()).returncode == 1
    assert (pki / "kubelet-client-current.pem").read_bytes() == key
    done = machine.shell(install, signed.stdout)
    assert done.returncode == 0, done.stderr
    new = (pki / "kubelet-client-current.pem").read_bytes()
    assert new.endswith(key[key.index(b"-----BEGIN EC PRIVATE KEY") :])
    assert certificates_in(new) == (certificate,)
    assert (pki / "kubelet-client-current.pem").resolve().stat().st_mode & 0o777 == 0o600
    assert "restart kubelet" in (machine.root / "units").read_text()
    assert key.splitlines()[-2] not in done.stdout + signed.stdout + request


def test_who_the_api_sees_with_each_kubeconfig(machine: Machine) -> None:
    """By kubectl on the node; one that it knows nobody by is told; without kubectl nothing is known."""
    assert rotation.parse_who(machine.shell(rotation.who_with(["/a"]).replace("kubectl", "no-kubectl")).stdout) == (
        {},
        {},
    )
    kubectl = machine.bin / "kubectl"
    kubectl.write_text(
        '#!/bin/sh\ncase "$2" in /a) printf kubernetes-admin ;; *) echo "error: Unauthorized" >&2; exit 1 ;; esac\n'
    )
    kubectl.chmod(0o755)
    told = rotation.parse_who(machine.shell(rotation.who_with(["/a", "/b"])).stdout)
    assert told == ({"/a": "kubernetes-admin"}, {"/b": "error: Unauthorized"})


def test_the_same_leaves_of_a_run_are_the_same_job() -> None:
    """Others are another one: an attempt must not attach to a job that renewed something else."""
    assert rotation.job_of(RECORD) == rotation.job_of(RECORD.model_copy(update={"reason": "x"}))
    assert rotation.job_of(RECORD) != rotation.job_of(RECORD.model_copy(update={"leaves": ("apiserver",)}))
    assert rotation.is_well("kube-scheduler").count("10259") == 1
    assert "journalctl" in rotation.evidence()
