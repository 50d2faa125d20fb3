"""What a control plane node printed, read: recorded on a kubeadm cluster, and made odd."""

import re
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tasks.control_plane.models import Phase, Place
from tasks.control_plane.probes.etcd_member import files_to_read
from tasks.control_plane.probes.look import Leads, look, members_of_api, parse, parse_files, read_files
from tasks.core.errors import Refused
from tests.facts.control_plane import CP1, DATA, MANIFEST, ON_NODE, encoded, member_of


def with_etcd(manifest: str) -> bytes:
    """cp1 with another etcd manifest."""
    lines = [line for line in CP1.splitlines() if not line.startswith("manifest etcd ")]
    return "\n".join([f"manifest etcd active {encoded(manifest)}", *lines]).encode()


def test_a_kubeadm_control_plane_is_understood() -> None:
    """Its member, where its data is, and what runs."""
    node = parse("cp1", CP1.encode()).node
    assert (node.is_control_plane, node.missing, node.not_understood) == (True, (), "")
    assert node.running == ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    disk = f"data_real {encoded('/var/lib/etcd')}\ndata_mount yes\ndata_owner 0:0\ndata_free 7\ndata_bytes 9\n"
    disk += f"there {ON_NODE.certificate}\nthere {ON_NODE.key}\n"
    member = member_of(CP1.encode(), disk.encode())
    assert (member.name, member.version, member.minor, member.unit) == ("cp1", "3.6.8", "3.6", "")
    assert (str(member.data_dir), member.is_mount, member.owner) == ("/var/lib/etcd", True, "0:0")
    assert (member.free_bytes, member.data_bytes, member.data_problem) == (7, 9, "")
    assert member.peer_url == "https://198.18.101.11:2380"
    assert member.peers == ("cp1",)
    assert member.on_node == ON_NODE.model_copy(update={"server_name": "198.18.101.11"})
    assert str(member.beside("x")) == "/var/lib/etcd/x"


@pytest.mark.parametrize(
    ("load", "active", "file", "problem", "is_off"),
    [
        ("loaded", "active", "enabled", "", False),
        ("loaded", "active", "disabled", "", False),
        ("loaded", "failed", "enabled", "its kubelet is failed", False),
        ("loaded", "activating", "enabled", "its kubelet is activating", False),
        ("loaded", "inactive", "disabled", "its kubelet is inactive and disabled", True),
        ("masked", "inactive", "masked", "its kubelet is masked", True),
        ("not-found", "inactive", "", "", False),
    ],
)
def test_a_kubelet_that_does_not_run_is_a_fact(
    load: str, active: str, file: str, problem: str, *, is_off: bool
) -> None:
    """As systemd has its unit; a machine with etcd alone has none."""
    told = encoded(f"LoadState={load}\nActiveState={active}\nUnitFileState={file}\n")
    node = parse("w1", f"kubelet {told}\n".encode()).node
    assert (node.kubelet_problem, node.kubelet_is_off) == (problem, is_off)


@pytest.mark.parametrize(
    ("flags", "elects"),
    [
        ("", True),
        ("--leader-elect=true", True),
        ("--leader-elect=false", False),
        ("--config=/etc/kubernetes/scheduler.yaml", False),
        ("--leader-elect-resource-name=other", False),
        ("--leader-elect-resource-namespace=other", False),
    ],
)
def test_who_elects_a_leader_by_its_own_lease(flags: str, *, elects: bool) -> None:
    """Another one renews no Lease that we look at."""
    command = "".join(f"    - {one}\n" for one in ("kube-scheduler", "--v=2", flags) if one)
    manifest = f"kind: Pod\nspec:\n  containers:\n  - name: kube-scheduler\n    command:\n{command}"
    seen = parse("cp1", f"manifest kube-scheduler active {encoded(manifest)}\n".encode())
    assert seen.node.electing == (("kube-scheduler",) if elects else ())


def test_a_copy_beside_a_manifest_is_another_pod_for_the_kubelet(tmp_path: Path) -> None:
    """It reads every file that is not hidden, in no folder below; one of another program is nobody's double."""
    folder = tmp_path / "mani fests"
    (folder / "old.yaml").mkdir(parents=True)
    etcd = "metadata: {name: etcd}\nspec: {containers: [{name: etcd, command: [etcd, --name=a]}]}\n"
    vip = etcd.replace("etcd", "kube-vip")
    files = {
        "etcd.yaml": etcd,
        "etcd.yaml.bak 2": etcd,
        ".etcd.yaml.swp": etcd,
        "kube-vip.yaml": vip,
        "notes": "a: [",
        "x": "- 1",
    }
    for name, text in {**files, "kube-scheduler": etcd.replace("etcd", "kube-scheduler")}.items():
        (folder / name).write_text(text)
    script = "systemctl() { :; }\n" + look(PurePosixPath(folder), PurePosixPath(tmp_path / "parked"))
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert parse("cp1", done.stdout).node.doubles == {"etcd.yaml.bak 2": "etcd", "kube-scheduler": "kube-scheduler"}


def test_a_worker_is_nothing_of_it() -> None:
    """And nothing is wrong with that."""
    seen = parse("w1", (DATA / "w1.stdout").read_bytes() + b"unit " + encoded(NO_UNIT).encode())
    assert (seen.node.is_control_plane, seen.source, seen.node.not_understood) == (False, None, "")


def test_a_node_whose_systemd_does_not_answer_is_not_one_without_etcd() -> None:
    """Nobody knows whether there is a unit then."""
    seen = parse("w1", f"unit {encoded('Failed to connect to bus: No such file or directory')}\n".encode())
    assert seen.node.not_understood == "systemctl does not say whether there is an etcd.service"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("--data-dir=/var/lib/etcd", "--data-directory=/var/lib/etcd", "its etcd manifest has no --data-dir"),
        ("--data-dir=/var/lib/etcd", "--data-dir=data", "--data-dir=data is relative"),
        ("name: etcd-data\n    ", "name: another\n    ", "which is no hostPath: it is gone with the container"),
        (
            "listen-client-urls=https://127.0.0.1:2379,https:",
            "listen-client-urls=http://127.0.0.1:2379,http:",
            "at no https URL",
        ),
        (
            "listen-client-urls=https://127.0.0.1:2379",
            "listen-client-urls=https://127.0.0.1:no",
            "is no URL: Port could not",
        ),
        (
            "--advertise-client-urls=https://198.18.101.11:2379",
            "--advertise-client-urls=https://198.18.101.11",
            "is no URL with a host",
        ),
    ],
)
def test_a_manifest_that_is_not_understood_says_what_of_it(old: str, new: str, told: str) -> None:
    """No guess, and no exception of Python."""
    assert old in MANIFEST
    with pytest.raises(ValueError, match=re.escape(told)):
        member_of(with_etcd(MANIFEST.replace(old, new)))


def test_flags_in_quotes_are_flags() -> None:
    """YAML has several ways to write a text; the shell is told the path that Python has read."""
    member = member_of(with_etcd(MANIFEST.replace("- --data-dir=/var/lib/etcd", '- "--data-dir=/var/lib/etcd"')))
    assert str(member.data_dir) == "/var/lib/etcd"


def test_data_that_is_mounted_as_another_path_is_where_the_node_has_it() -> None:
    """A link to another disk is followed by the node itself."""
    other = MANIFEST.replace("path: /var/lib/etcd", "path: /srv/etcd")
    assert str(member_of(with_etcd(other)).data_dir) == "/srv/etcd"
    linked = f"data_real {encoded('/disk/etcd')}\ndata_problem df: /disk: Input/output error\n"
    member = member_of(with_etcd(other), linked.encode())
    assert (str(member.data_dir), member.data_problem) == ("/disk/etcd", "df: /disk: Input/output error")


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--wal-dir=/wal", ("its etcd manifest has its log outside of its data directory: --wal-dir=/wal",)),
        ("--wal-dir=/var/lib/etcd/member/wal", ()),
        (
            "--force-new-cluster",
            ("its etcd manifest has --force-new-cluster: it would drop the other members at each start",),
        ),
    ],
)
def test_what_a_restore_cannot_replace_is_in_its_way_alone(flag: str, told: tuple[str, ...]) -> None:
    """The member is asked, and its snapshot taken, as any other's."""
    member = member_of(with_etcd(MANIFEST.replace("- --name=cp1", f"- --name=cp1\n    - {flag}")))
    assert member.obstacles == told


@pytest.mark.parametrize(
    ("listens", "address", "port"),
    [
        ("https://[::1]:2379,https://[fd00:1::5]:2379", "::1", 2379),
        ("https://[fd00:1::5]:12379", "fd00:1::5", 12379),
        ("https://0.0.0.0:4001", "127.0.0.1", 4001),
        ("https://[::]:2379", "::1", 2379),
        ("https://10.0.0.5:2379", "10.0.0.5", 2379),
        ("http://127.0.0.1:2381,https://localhost:2379", "localhost", 2379),
    ],
)
def test_a_member_is_reached_where_it_listens(listens: str, address: str, port: int) -> None:
    """Loopback where there is one, else the first; known by the host that it advertises."""
    manifest = re.sub(r"--listen-client-urls=\S+", f"--listen-client-urls={listens}", MANIFEST)
    manifest = re.sub(r"--advertise-client-urls=\S+", "--advertise-client-urls=https://[fd00:1::5]:2379", manifest)
    member = member_of(with_etcd(manifest))
    assert (member.on_node.address, member.on_node.port) == (address, port)
    assert (member.on_node.server_name, member.client_url) == ("fd00:1::5", "https://[fd00:1::5]:2379")


def test_a_client_certificate_is_one_that_is_there() -> None:
    """kubeadm's, else the API server's, else the member's own; all of them beside etcd's CA wherever that is."""
    manifest = MANIFEST.replace("/etc/kubernetes/pki", "/srv/pki")
    every = [*(f"/srv/pki/etcd/healthcheck-client.{end}" for end in ("crt", "key"))]
    every += [*(f"/etc/kubernetes/pki/apiserver-etcd-client.{end}" for end in ("crt", "key"))]
    every += [*(f"/srv/pki/etcd/server.{end}" for end in ("crt", "key"))]
    for count, expected in ((0, every[0]), (2, every[2]), (4, every[4])):
        disk = "".join(f"there {file}\n" for file in every[count:]).encode() if count else b""
        found = member_of(with_etcd(manifest), disk).on_node
        assert (str(found.ca), str(found.certificate)) == ("/srv/pki/etcd/ca.crt", expected)


def test_an_image_without_a_version_is_said_to_have_none() -> None:
    """A digest does not say what it is."""
    assert member_of(with_etcd(MANIFEST.replace("etcd:3.6.8-0", "etcd@sha256:00"))).version == ""


def test_variables_of_a_static_pod_count_and_flags_win() -> None:
    """As in etcd itself."""
    manifest = MANIFEST.replace("- --name=cp1\n", "").replace(
        "    image:",
        "    env:\n    - {name: ETCD_NAME, value: one}\n    - {name: ETCD_DATA_DIR, value: /no}\n    image:",
        1,
    )
    member = member_of(with_etcd(manifest))
    assert (member.name, str(member.data_dir)) == ("one", "/var/lib/etcd")


NO_UNIT = "User=\nGroup=\nEnvironment=\nLoadState=not-found\n"


def unit(command: str, *, environment: str = "", files: tuple[str, ...] = (), user: str = "") -> bytes:
    """As systemd shows it."""
    start = f"ExecStart={{ path={command.split(maxsplit=1)[0]} ; argv[]={command} ; ignore_errors=no ; start_time=[n/a] ; code=(null) }}"
    shown = [f"User={user}", "Group=", "LoadState=loaded", start, f"Environment={environment}"]
    shown += [f"EnvironmentFiles={file} (ignore_errors=yes)" for file in files]
    return f"unit {encoded(chr(10).join(shown))}\n".encode()


def test_a_unit_of_kubespray_is_read_from_its_environment_file() -> None:
    """`/etc/etcd.env`, with variables of etcdctl beside those of etcd."""
    text = (DATA / "etcd.env").read_text()
    printed = unit("/usr/local/bin/etcd", files=("/etc/etcd.env",))
    source = parse("node1", printed).source
    assert source
    assert (source.owner, source.program) == ("", "/usr/local/bin/etcd")
    assert files_to_read(source, {}) == ("/etc/etcd.env",)
    assert files_to_read(source, {"/etc/etcd.env": text}) == ()
    version = f"version {encoded('etcd Version: 3.5.12' + chr(10) + 'Git SHA: 1')}\n".encode()
    member = member_of(printed, version, {"/etc/etcd.env": text})
    assert (member.name, member.unit, member.version) == ("etcd1", "etcd.service", "3.5.12")
    assert str(member.data_dir) == "/var/lib/etcd"
    assert (member.on_node.address, member.on_node.server_name) == ("127.0.0.1", "192.168.121.11")
    assert str(member.on_node.ca) == "/etc/ssl/etcd/ssl/ca.pem"
    assert member.peers == ("etcd1", "etcd2", "etcd3")
    own = member_of(
        printed,
        b"there /etc/ssl/etcd/ssl/member-node1.pem\nthere /etc/ssl/etcd/ssl/member-node1-key.pem\n",
        {"/etc/etcd.env": text},
    )
    assert str(own.on_node.key) == "/etc/ssl/etcd/ssl/member-node1-key.pem"
    with pytest.raises(ValueError, match=r"its etcd.service has no --name, --data-dir, .*--key-file"):
        member_of(printed, b"", {"/etc/etcd.env": ""})


TLS = "--trusted-ca-file=/pki/ca --cert-file=/pki/crt --key-file=/pki/key"
URLS = "--advertise-client-urls=https://e1:2379 --initial-advertise-peer-urls=https://e1:2380"


def test_a_units_command_wins_and_its_variables_are_filled_in() -> None:
    """As systemd does it: `$ARGS` is several words; a shell may stand in front."""
    command = f'/bin/bash -c /usr/bin/etcd --name="${{ETCD_NAME}}" --data-dir /data $ARGS {URLS}'
    printed = unit(command, environment=f'"ARGS={TLS}" ETCD_NAME=e1 ETCD_DATA_DIR=/other', user="etcd")
    member = member_of(printed)
    assert (member.name, str(member.data_dir), str(member.on_node.ca)) == ("e1", "/data", "/pki/ca")
    assert member.owner == "etcd:"
    source = parse("e1", printed).source
    assert source
    assert source.program == "/usr/bin/etcd"
    with pytest.raises(ValueError, match=r"--name is \$\{WHO\}, and nothing says what that stands for"):
        member_of(unit(f"/usr/bin/etcd --name=${{WHO}} --data-dir=/data {TLS} {URLS}"))


CONFIGURED = """\
name: e1
data-dir: /data
listen-client-urls: https://[::1]:2379
advertise-client-urls: https://e1:2379
initial-advertise-peer-urls: https://e1:2380
quota-backend-bytes: 8589934592
client-transport-security:
  trusted-ca-file: /pki/ca
  cert-file: /pki/crt
  key-file: /pki/key
  client-cert-auth: true
"""


def test_a_configuration_file_counts_alone() -> None:
    """etcd ignores every flag and variable beside it."""
    printed = unit("/usr/bin/etcd --config-file=/etc/etcd.yml --name=no --wal-dir=/no", environment="ETCD_DATA_DIR=/no")
    source = parse("e1", printed).source
    assert source
    assert files_to_read(source, {}) == ("/etc/etcd.yml",)
    member = member_of(printed, b"", {"/etc/etcd.yml": CONFIGURED})
    assert (member.name, str(member.data_dir), member.on_node.address, member.obstacles) == ("e1", "/data", "::1", ())
    with pytest.raises(ValueError, match=r"/etc/etcd.yml, its etcd's --config-file, is not there"):
        member_of(printed, b"", {"/etc/etcd.yml": ""})
    with pytest.raises(ValueError, match=r"/etc/etcd.yml is not YAML"):
        member_of(printed, b"", {"/etc/etcd.yml": "{"})
    with pytest.raises(ValueError, match=r"has no --trusted-ca-file"):
        member_of(printed, b"", {"/etc/etcd.yml": CONFIGURED.replace("client-transport", "peer-transport")})


def test_texts_of_files_come_by_their_paths() -> None:
    """Whatever is in them."""
    script = read_files(["/etc/etcd.env", "/etc/other"])
    assert "/etc/other" in script
    assert parse_files(f"text {encoded('/etc/etcd.env')} {encoded('A=b')}\ntext {encoded('/e')} \n".encode()) == {
        "/etc/etcd.env": "A=b",
        "/e": "",
    }


def test_a_unit_without_a_command_is_not_understood() -> None:
    """Masked, or with one that systemd does not show."""
    shown = f"unit {encoded('LoadState=loaded' + chr(10) + 'Environment=A=' + chr(34))}\n".encode()
    with pytest.raises(ValueError, match=r"its etcd.service has no --name"):
        member_of(shown)


def test_members_of_an_external_etcd_are_found_from_what_api_servers_are_told() -> None:
    """From afar, with the API server's certificate, by IPv6, too."""
    manifest = (DATA.parent / "kubeadm" / "kube-apiserver-external-etcd.yaml").read_text()

    def leads(text: str) -> Leads:
        return members_of_api("cp1", f"manifest kube-apiserver active {encoded(text)}".encode())

    [afar] = leads(manifest).endpoints
    assert afar.url == "https://198.18.0.21:2379"
    assert afar.on_node
    assert afar.on_node.address == afar.on_node.server_name == "198.18.0.21"
    assert str(afar.on_node.key).endswith("apiserver-etcd-client.key")
    [six] = leads(manifest.replace("https://198.18.0.21:2379", "https://[fd00:1::5]:2379/")).endpoints
    assert (six.url, six.on_node and six.on_node.address) == ("https://[fd00:1::5]:2379", "fd00:1::5")
    odd = leads(manifest.replace("https://198.18.0.21:2379", "https://etcd.example"))
    assert odd.problem == (
        "the manifest of its API server: --etcd-servers: 'https://etcd.example' is no URL with a host and a port, such as "
        "https://10.0.0.1:2379"
    )
    plain = leads(manifest.replace("https://198.18.0.21:2379", "http://198.18.0.21:2379"))
    assert "write https://HOST:PORT" in plain.problem
    assert "has no --etcd-servers, --etcd-cafile" in leads("spec: {}").problem
    assert members_of_api("w1", (DATA / "w1.stdout").read_bytes()) == Leads()


def test_traces_of_a_restore_are_read() -> None:
    """Of one that has not ended, and of those that have."""
    record = '{"id":"22222222","backup":"b","members":["cp1"]}'
    traces = f"record {encoded(record)}\nphase 33333333 serving\nphase 22222222 swapped\nended 11111111\nended 00000000\nover 4\nmissing zstd\n"
    parked = CP1.replace("manifest etcd active", "manifest etcd parked")
    node = parse("cp1", (parked + traces).encode()).node
    assert node.record
    assert (node.record.id, node.record.phase, node.ended) == ("22222222", Phase.SWAPPED, ("11111111", "00000000"))
    assert node.over == ("4",)
    assert (node.manifests["etcd"], node.missing) == (Place.PARKED, ("zstd",))
    begun = parse("cp1", f"record {encoded(record)}\n".encode()).node
    assert begun.record
    assert begun.record.phase is None


@pytest.mark.parametrize("text", ["", "{", '{"id": "22222222"}'])
def test_a_record_of_a_restore_that_cannot_be_read_is_a_sentence(text: str) -> None:
    """Cut off with the power, or of another version: with the command that helps."""
    with pytest.raises(Refused, match="cp1: /var/lib/kube-runbooks/restore/record.json cannot be read") as told:
        parse("cp1", f"record {encoded(text)}\n".encode())
    assert "`sudo mv /var/lib/kube-runbooks/restore/record.json" in told.value.hint
