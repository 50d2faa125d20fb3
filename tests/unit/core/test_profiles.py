"""Profiles: every wrong field is named with its value and the fix, and no secret is ever repeated."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from tasks.core.errors import Refused
from tasks.core.models.profile import AlertRules, ClusterProfile, EtcdOnNode, EtcdOverrides, HostName, Store
from tasks.core.profiles import known_clusters, read_profile
from tasks.core.settings import Settings

GOOD = """
name: prod
nodes: [{name: cp1, address: 192.0.2.1}]
ssh: {user: ops, key: file:/keys/id, known_hosts: /keys/known_hosts}
etcd:
  endpoints: [{url: "https://192.0.2.1:2379", node: cp1}]
store: {bucket: backups, access_key: env:A, secret_key: env:B}
"""

DIRECT: dict[str, object] = {
    "endpoints": [{"url": "https://192.0.2.1:2379"}],
    "client": {"ca": "file:/keys/ca", "certificate": "file:/keys/crt", "key": "file:/keys/key"},
}
HOOK: dict[str, object] = {
    "name": "db",
    "namespace": "shop",
    "labels": "app=db",
    "container": "db",
    "freeze": ["freeze"],
    "thaw": ["thaw"],
}


CHECK = {name: HOOK[name] for name in ("name", "namespace", "labels", "container")} | {"command": ["check"]}


def write(folder: Path, /, **changes: object) -> Path:
    """A good profile, with top-level fields replaced."""
    raw = yaml.safe_load(GOOD) | changes
    (folder / "prod.yaml").write_text(yaml.safe_dump({key: value for key, value in raw.items() if value is not None}))
    return folder


def test_a_good_profile_is_read(tmp_path: Path) -> None:
    """Durations as people write them."""
    profile = read_profile(write(tmp_path, backup={"rpo": "2h", "retention": {"within": "30d"}}), "prod")
    assert (profile.backup.rpo.total_seconds(), profile.backup.retention.within.days) == (7200, 30)


def test_on_is_the_name_of_a_field(tmp_path: Path) -> None:
    """YAML 1.1 reads it as true; `no` is false all the same."""
    text = GOOD.replace("ops,", "ops, sudo: no,")
    (tmp_path / "prod.yaml").write_text(text + "gates: [{name: g, command: test -e /x, on: cp1}]\n")
    profile = read_profile(tmp_path, "prod")
    assert profile.gates[0].on == "cp1"
    assert profile.ssh is not None
    assert profile.ssh.sudo is False


def test_a_gate_of_workloads_runs_on_a_node_of_the_profile(tmp_path: Path) -> None:
    """As a gate of nodes does; each is named with its field."""
    gate = {"name": "g", "command": "test -e /x", "on": "cp1", "namespaces": ["shop"]}
    assert read_profile(write(tmp_path, workloads={"gates": [gate]}), "prod").workloads.gates[0].namespaces == ("shop",)
    with pytest.raises(Refused, match=r"workloads\.gates: 'g' runs on 'cp9', which is not one of `nodes` \(cp1\)"):
        read_profile(write(tmp_path, workloads={"gates": [gate | {"on": "cp9"}]}), "prod")


def test_the_folder_of_profiles_is_that_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without KUBE_RUNBOOKS_CLUSTERS, the example is there to be read."""
    monkeypatch.delenv("KUBE_RUNBOOKS_CLUSTERS", raising=False)
    assert known_clusters(Settings().clusters) == ["example"]
    assert read_profile(Settings().clusters, "example").store.bucket == "example-backups"


def test_an_unknown_cluster_lists_the_known_ones(tmp_path: Path) -> None:
    """And where they were looked for."""
    write(tmp_path)
    with pytest.raises(
        Refused,
        match=f"cluster 'prd' is unknown -> known in {tmp_path}: prod; add prd.yaml there, .*KUBE_RUNBOOKS_CLUSTERS",
    ):
        read_profile(tmp_path, "prd")
    assert known_clusters(tmp_path) == ["prod"]


@pytest.mark.parametrize("name", ["../prod", "/etc/passwd", "prod.yaml", "", "Prod", "a" * 70])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    """A parameter of an API call becomes a path."""
    with pytest.raises(Refused, match="is unknown"):
        read_profile(write(tmp_path), name)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stor": {}}, "stor: unknown field; did you mean store?"),
        ({"store": {"bucket": "backups", "pasword": "hunter2-hunter2"}}, "store.pasword: unknown field"),
        ({"nodes": 3}, "nodes: 3: write a list, for example [a, b]"),
        (
            {"nodes": [{"name": "cp1", "address": "a", "port": 0}]},
            "nodes[0].port: 0: write 1 or more",
        ),
        ({"nodes": [{"name": "cp1", "address": "a"}, {"name": "cp1", "address": "b"}]}, "named twice: cp1"),
        ({"store": None}, "store: is missing; add it"),
        ({"store": {"bucket": "UPPER"}}, "store.bucket: 'UPPER': write 3 to 63 lower-case letters"),
        ({"store": {"bucket": "backups", "access_key": "env:A"}}, "come as a pair"),
        ({"etcd": {"endpoints": []}, "nodes": []}, "etcd.endpoints: none; name the members, or give ssh and nodes"),
        (
            {"etcd": {"endpoints": [{"url": "http://a:2379"}]}},
            "etcd.endpoints[0].url: 'http://a:2379': write https://HOST:PORT",
        ),
        (
            {"etcd": {"endpoints": [{"url": "https://fd00::1:2379"}]}},
            "etcd.endpoints[0].url: 'https://fd00::1:2379': no URL: Port",
        ),
        ({"etcd": {"endpoints": [{"url": "https://a:2379/v3"}]}}, "with brackets around an IPv6 address"),
        (
            {"etcd": {"on_node": {"address": "[::1]"}}},
            "etcd.on_node.address: '[::1]': neither a host name nor an IP address",
        ),
        (
            {"etcd": {"endpoints": [{"url": "https://a:2379", "node": "cp9"}]}},
            "node 'cp9', which is not one of `nodes` (cp1)",
        ),
        ({"ssh": None}, "there is no route to etcd"),
        ({"ssh": None, "etcd": DIRECT, "volumes": {"hooks": [HOOK]}}, "over SSH: give ssh and nodes"),
        ({"volumes": {"hooks": [HOOK | {"limit": "61s"}]}}, "volumes.hooks[0].limit: "),
        ({"ssh": None, "etcd": DIRECT, "volumes": {"checks": [CHECK]}}, "volumes.checks: they run on the nodes"),
        ({"volumes": {"checks": [CHECK | {"command": []}]}}, "volumes.checks[0].command: "),
        ({"backup": {"retention": {"last": -1}}}, "backup.retention.last: -1"),
        ({"backup": {"retention": {"last": 0}}}, "backup.retention: keeps nothing"),
        (
            {"backup": {"rpo": "26"}},
            "backup.rpo: '26': not a length of time; write a whole number with s, m, h, d or w",
        ),
        ({"backup": {"rpo": "0s"}}, "backup.rpo: 0s: write more than 0 seconds"),
        ({"backup": {"time_zone": "Mars/Base"}}, "backup.time_zone: 'Mars/Base': not a time zone"),
        ({"backup": {"route": "pigeon"}}, "backup.route: 'pigeon': write one of auto, direct, tunnel, node"),
        ({"name": "other"}, "name: 'other' is not the name of the file -> write name: prod"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    """One sentence that a person can act on; a misspelt secret is not repeated."""
    with pytest.raises(Refused) as refused:
        read_profile(write(tmp_path, **changes), "prod")
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.hint


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Not the first only."""
    with pytest.raises(Refused) as refused:
        read_profile(write(tmp_path, nodes=3, stor=1, store={"bucket": "UPPER"}), "prod")
    assert all(field in str(refused.value) for field in ("nodes:", "stor:", "store.bucket:"))


@pytest.mark.parametrize("value", ["hunter2-hunter2", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc", "vault:x", "file:"])
def test_an_inline_secret_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    """The error says what to write instead."""
    ssh = {"user": "ops", "key": value, "known_hosts": "/keys/known_hosts"}
    with pytest.raises(
        Refused, match="ssh.key: an inline secret or an unknown kind of reference; write file:PATH"
    ) as refused:
        read_profile(write(tmp_path, ssh=ssh), "prod")
    assert "hunter2" not in str(refused.value)
    assert "BEGIN" not in str(refused.value)


@pytest.mark.parametrize("path", ["keys/id", "~/.ssh/id_ed25519", "./id"])
def test_a_path_has_to_begin_at_the_root(tmp_path: Path, path: str) -> None:
    """Prefect starts a deployed run in a folder of its own: what `check` found would not be there."""
    ssh = {"user": "ops", "key": f"file:{path}", "known_hosts": path}
    with pytest.raises(Refused) as refused:
        read_profile(write(tmp_path, ssh=ssh, store={"bucket": "b", "ca": path}), "prod")
    for field in ("ssh.key", f"ssh.known_hosts: '{path}'", f"store.ca: '{path}'"):
        assert f"{field}: a relative path: a deployed run starts in another folder" in str(refused.value)


RECIPIENT = "age1dm6j8cf58rrmy3ky2p4synjqavs0v4yxz30rcq3w2vre878ryg0syawt0s"
SSH_RECIPIENT = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPbdHZqmYsnoTlPm6Ln5ZR3LpENgT6fTWNJfJG/Z2fRc"


def test_recipients_are_public_keys_of_age_or_ssh(tmp_path: Path) -> None:
    """An SSH key with or without its comment."""
    recipients = [RECIPIENT, SSH_RECIPIENT, f"{SSH_RECIPIENT} ops@example.org"]
    profile = read_profile(write(tmp_path, backup={"recipients": recipients}), "prod")
    assert list(profile.backup.recipients) == recipients


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (f"{RECIPIENT[:-1]}q", "not a recipient; write age1..., ssh-ed25519 ... or ssh-rsa ..."),
        (f"{SSH_RECIPIENT}\n{SSH_RECIPIENT}", "one key an entry"),
        (f"{RECIPIENT} {RECIPIENT}", "not a recipient"),
        ("ssh-ed25519 AAAA", "not a recipient"),
        ("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY", "not a recipient"),
        ("", "not a recipient"),
        (7, "write text, in quotes"),
    ],
)
def test_what_is_no_recipient_is_refused_with_its_place(tmp_path: Path, value: object, told: str) -> None:
    """When the profile is read, long before anything is encrypted."""
    with pytest.raises(Refused) as refused:
        read_profile(write(tmp_path, backup={"recipients": [RECIPIENT, value]}), "prod")
    assert f"backup.recipients[1]: {told}" in str(refused.value) or told in str(refused.value)
    assert "backup.recipients[1]: " in str(refused.value)


@pytest.mark.parametrize("paste", [lambda secret: [secret], lambda secret: secret, lambda secret: {secret: 1}])
@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWSV4ZZ", "this is a secret key"),
        ("age-secret-key-1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0swsv4zz", "this is a secret key"),
        (" AGE-SECRET-KEY-1QQQSYQCYQ5", "not a recipient"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n", "this is a secret key"),
    ],
)
def test_a_secret_key_among_the_recipients_is_refused_and_not_repeated(
    tmp_path: Path, secret: str, told: str, paste: Callable[[str], object]
) -> None:
    """Wherever it was pasted; the error says which half is meant."""
    with pytest.raises(Refused, match=rf"backup.recipients(\[0\])?: ({told}|write a list)") as refused:
        read_profile(write(tmp_path, backup={"recipients": paste(secret)}), "prod")
    for part in ("SECRET-KEY-1", "secret-key-1", "b3Blbn", "BEGIN"):
        assert part not in str(refused.value)


def test_kubeadms_folder_is_an_absolute_path(tmp_path: Path) -> None:
    """On the nodes."""
    assert str(read_profile(write(tmp_path), "prod").kubeadm.folder) == "/etc/kubernetes"
    with pytest.raises(Refused, match="kubeadm.folder: .*a path on the node has to be absolute"):
        read_profile(write(tmp_path, kubeadm={"folder": "etc/kubernetes"}), "prod")


@pytest.mark.parametrize(("text", "told"), [("a: [", "this is not YAML in line"), ("- a", "a profile is a mapping")])
def test_a_file_that_is_no_profile_is_called_so(tmp_path: Path, text: str, told: str) -> None:
    """With the line, if it is a matter of syntax."""
    (tmp_path / "prod.yaml").write_text(text)
    with pytest.raises(Refused, match=told):
        read_profile(tmp_path, "prod")


def test_the_example_profile_is_good() -> None:
    """The one that users copy."""
    folder = Path(__file__).parents[3] / "deployments" / "clusters"
    assert isinstance(read_profile(folder, "example"), ClusterProfile)


def test_a_member_by_ipv6_is_read_and_on_node_says_only_what_it_has_to(tmp_path: Path) -> None:
    """What it leaves out is found on the node; what it says wins."""
    endpoints = [{"url": "https://[fd00:1::5]:2379/", "node": "cp1", "on_node": {"port": 12379}}]
    etcd = read_profile(write(tmp_path, etcd={"endpoints": endpoints, "on_node": {"address": "0:0::1"}}), "prod").etcd
    [member] = etcd.endpoints
    assert member.url == "https://[fd00:1::5]:2379"
    assert member.on_node
    said = member.on_node.over(etcd.on_node)
    assert (said.address, said.port, said.with_found(None)) == ("::1", 12379, None)
    files = {name: PurePosixPath(f"/pki/{name}") for name in ("ca", "certificate", "key")}
    found = EtcdOnNode(address="127.0.0.1", port=2379, server_name="a", **files)
    assert said.with_found(found) == EtcdOnNode(address="::1", port=12379, server_name="a", **files)
    whole = EtcdOverrides(**files).over(said).with_found(None)
    assert whole == EtcdOnNode(address="::1", port=12379, server_name="::1", **files)


@pytest.mark.parametrize("host", ["::1", "fd00::", "fd00:1::5", "fe80::1%eth0", "10.0.0.1", "cp1", "cp1.example"])
def test_hosts_are_names_and_addresses_of_either_family(host: str) -> None:
    """As they are, without brackets."""
    assert TypeAdapter(HostName).validate_python(host) == host


@pytest.mark.parametrize("host", ["[::1]", "fd00::1::2", "cp1:22", "10.0.0.1:22", ":", "", "-x", "fd00::1 "])
def test_what_is_neither_is_refused(host: str) -> None:
    """A port beside it, too."""
    with pytest.raises(ValidationError):
        TypeAdapter(HostName).validate_python(host)


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://[fd00::1]:2379", True),
        ("https://cp1:2379", True),
        ("https://10.0.0.1:2379", True),
        ("https://fd00::1:2379", False),
        ("https://[fd00::1:2379", False),
        ("https://[fd00::x]:2379", False),
        ("https://cp1:0", False),
        ("https://cp1:99999", False),
    ],
)
def test_a_url_has_an_ipv6_address_in_brackets(url: str, *, is_good: bool) -> None:
    """Of a member, of a store, and of Prometheus."""
    store = {"bucket": "backups", "endpoint": url}
    rules = {"url": url}
    models: list[tuple[type[BaseModel], dict[str, str]]] = [
        (Store, store),
        (AlertRules, rules),
    ]
    for model, values in models:
        with nullcontext() if is_good else pytest.raises(ValidationError, match="in brackets"):
            model.model_validate(values)


def test_schedules_are_by_runbook_and_an_empty_list_is_none(tmp_path: Path) -> None:
    """The profile stays a key of what is kept open for it."""
    nightly = {"name": "nightly", "cron": "17 2 * * 1-5", "time_zone": "Europe/Berlin", "parameters": {"drill": True}}
    folder = write(tmp_path, schedules={"etcd-backup": [nightly], "etcd-health": []})
    first, second = read_profile(folder, "prod"), read_profile(folder, "prod")
    assert first.schedules["etcd-backup"][0].parameters == {"drill": True}
    assert first.schedules["etcd-health"] == ()
    assert {first: 1}[second] == 1
    assert hash(first.schedules["etcd-backup"][0]) == hash(second.schedules["etcd-backup"][0])


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (
            {"cron": "61 * * * *"},
            "schedules.etcd-backup[0].cron: '61 * * * *': Bad minute; write minute hour day month",
        ),
        ({"cron": "* * * *"}, "'* * * *': write five fields, minute hour day month weekday"),
        ({"cron": "0 * * * * *"}, "write five fields"),
        ({"time_zone": "Berlin"}, "schedules.etcd-backup[0].time_zone: 'Berlin': not a time zone"),
        ({"timezone": "UTC"}, "schedules.etcd-backup[0].timezone: unknown field; did you mean time_zone?"),
        ({"name": "Every night"}, "schedules.etcd-backup[0].name: "),
    ],
)
def test_a_wrong_schedule_is_named_with_its_runbook(tmp_path: Path, schedule: dict[str, object], told: str) -> None:
    """Before Prefect is asked, which would print the whole request."""
    folder = write(tmp_path, schedules={"etcd-backup": [{"name": "x", "cron": "1 * * * *"} | schedule]})
    with pytest.raises(Refused) as refused:
        read_profile(folder, "prod")
    assert told in refused.value.problem


def test_two_schedules_of_a_runbook_have_two_names(tmp_path: Path) -> None:
    """Prefect knows each by its own."""
    twice = [{"name": "x", "cron": "1 * * * *"}, {"name": "x", "cron": "2 * * * *"}]
    with pytest.raises(Refused, match="schedules: etcd-backup has two of the name x"):
        read_profile(write(tmp_path, schedules={"etcd-backup": twice}), "prod")
    with pytest.raises(Refused, match="schedules.etcd_backup"):
        read_profile(write(tmp_path, schedules={"etcd_backup": []}), "prod")
