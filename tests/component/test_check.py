"""`kube-runbooks check` on real servers: what works, what does not, and the fix; none hides another."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import free_port, wait_until
from tests.servers.restricted import kubeconfig_for
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.timeout(900)  # each call starts a Python of its own


class Checked(NamedTuple):
    """A call: its exit status, both streams, and each finding by area and subject."""

    status: int
    out: str
    err: str
    findings: dict[tuple[str, str], dict[str, str]]

    def states(self, area: str) -> dict[str, str]:
        """Of the subjects of an area."""
        return {subject: one["state"] for (of, subject), one in self.findings.items() if of == area}


Call = Callable[..., Checked]

LIMIT = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all; nobody changes it but for its roles."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Behind which each node is."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def call(site: Site) -> Call:
    """The command, as a user calls it, without a Prefect server."""

    def made(*words: str, environment: dict[str, str] | None = None) -> Checked:
        own = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        command = [sys.executable, "-m", "kube_runbooks", "check", *words]
        done = subprocess.run(
            command, env=own | site.environment | (environment or {}), capture_output=True, text=True, check=False
        )
        told: dict[str, Any] = json.loads(done.stdout) if "json" in words and done.stdout else {"findings": []}
        found = {(one["area"], one["subject"]): one for one in told["findings"]}
        return Checked(done.returncode, done.stdout, done.stderr, found)

    return made


def test_what_works_is_said_to_work_and_nothing_of_it_is_left(
    site: Site, cluster: ControlPlane, sshd: Sshd, call: Call
) -> None:
    """Each route, each node, an administrator's rights, each way of the bucket."""
    site.through(sshd)
    site.use_api(cluster.kubeconfig())
    checked = call(site.name, "-o", "json")
    assert checked.status == 0, checked.out + checked.err
    assert set(checked.states("keys")) == {
        *("store.access_key, store.secret_key", "ssh.key, ssh.known_hosts", "etcd.client", "kubernetes.kubeconfig"),
    }
    for area in ("ssh", "login shell", "sudo"):
        assert checked.states(area) == dict.fromkeys(("cp1", "cp2", "cp3"), "ok")
    assert checked.states("rights") == {"all runbooks": "ok"}
    assert checked.states("api") == {"kubernetes.kubeconfig": "ok"}
    routes = checked.states("etcd")
    assert [state for subject, state in routes.items() if "node" not in subject] == ["ok"] * 6
    assert len(routes) == 9
    assert checked.states("bucket") == dict.fromkeys(
        ("reach", "write", "read back", "list", "If-None-Match", "multipart upload", "read back the parts", "delete"),
        "ok",
    )
    assert site.keys() == []
    assert site.uploads() == []
    assert not any(secret in checked.out + checked.err for secret in site.secrets)


def test_each_failure_is_named_with_its_fix_and_hides_no_other(
    site: Site, cluster: ControlPlane, sshd: Sshd, call: Call
) -> None:
    """A node that is away, one whose host key is another, a member that is away, a user with few rights, a bucket that is not there."""
    site.through(sshd)
    site.use_api(cluster.kubeconfig(cluster.user("viewer")))
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    cluster.api.create(
        bindings,
        {
            "metadata": {"name": "viewer"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "User", "name": "viewer", "apiGroup": "rbac.authorization.k8s.io"}],
        },
    )
    with Sshd(site.folder / "stranger") as stranger:
        (stranger.folder / "authorized_keys").write_text((sshd.folder / "authorized_keys").read_text())
        site.profile["nodes"][1]["port"] = stranger.port
        site.profile["nodes"][2]["port"] = free_port()
        site.profile["etcd"]["endpoints"][2]["url"] = f"https://127.0.0.1:{free_port()}"
        site.write(store={"bucket": "nosuch-bucket"})
        checked = call(site.name, "-o", "json")
    assert checked.status == 5, checked.err
    assert checked.states("ssh") == {"cp1": "ok", "cp2": "fail", "cp3": "fail"}
    assert "known_hosts" in checked.findings["ssh", "cp2"]["told"] + checked.findings["ssh", "cp2"]["fix"]
    assert checked.states("sudo") == {"cp1": "ok"}, checked.findings["sudo", "cp1"]
    routes = checked.states("etcd")
    away = [subject for subject in routes if "(cp3)" in subject]
    assert {subject.rpartition(" ")[2]: routes[subject] for subject in away} == {
        "direct": "fail",
        "tunnel": "skip",
        "node": "skip",
    }
    assert [
        state for subject, state in routes.items() if "(cp1) by route node" not in subject and "(cp1)" in subject
    ] == [
        "ok",
        "ok",
    ], checked.out
    [through] = [subject for subject in routes if "(cp2) by route tunnel" in subject]
    assert routes[through] == "skip"
    assert checked.findings["etcd", through]["told"].startswith("not checked: ssh cp2: ")
    drain = checked.findings["rights", "node-drain"]
    assert (drain["state"], "viewer may not: " in drain["told"], "patch nodes" in drain["told"]) == ("fail", True, True)
    assert "ClusterRole" in drain["fix"]
    assert checked.findings["bucket", "nosuch-bucket"]["state"] == "fail"
    assert "create the bucket" in checked.findings["bucket", "nosuch-bucket"]["fix"]
    assert all(bool(one["fix"]) == (one["state"] in {"fail", "warn"}) for one in checked.findings.values())


def test_a_user_with_exactly_the_rights_of_a_runbook_is_told_so(site: Site, cluster: ControlPlane, call: Call) -> None:
    """By a ClusterRole and Roles of what is said to be missing: nothing more is asked for."""
    site.use_api(cluster.kubeconfig(cluster.user("inventory")))
    rules = [
        {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["list"]},
        {"apiGroups": ["apiregistration.k8s.io"], "resources": ["apiservices"], "verbs": ["list"]},
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["list"]},
    ]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    cluster.api.create(f"{rbac}/clusterroles", {"metadata": {"name": "inventory"}, "rules": rules})
    cluster.api.create(
        f"{rbac}/clusterrolebindings",
        {
            "metadata": {"name": "inventory"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "inventory"},
            "subjects": [{"kind": "User", "name": "inventory", "apiGroup": "rbac.authorization.k8s.io"}],
        },
    )
    rights = call(site.name, "-o", "json").states("rights")
    assert {runbook for runbook, state in rights.items() if state == "ok"} == {"certificate-inventory"}


def test_keys_that_may_only_read_and_a_key_that_is_open_are_found(
    site: Site, s3: S3Server, tmp_path: Path, call: Call
) -> None:
    """What only asks the bucket would prove nothing; the table has a line for the fix."""
    site.use_store_keys(s3.reader)
    key = Path(site.profile["etcd"]["client"]["key"].removeprefix("file:"))
    copy = tmp_path / "open.key"
    copy.write_bytes(key.read_bytes())
    copy.chmod(0o644)
    site.profile["etcd"]["client"] |= {"key": f"file:{copy}"}
    site.write()
    checked = call(site.name)
    assert checked.status == 5
    assert f"etcd.client.key: {copy} is open to every user (mode 0644)" in checked.out
    assert f"Next: chmod o= {copy}" in checked.out
    assert "write: " in next(line for line in checked.out.splitlines() if line.startswith("fail") and "bucket" in line)
    assert "ok    " in checked.out


def test_object_lock_is_tried_where_the_profile_asks_for_it(site: Site, call: Call) -> None:
    """A bucket without it takes no lock, or does not keep it."""
    site.write(store={"object_lock": {"mode": "GOVERNANCE", "days": 1}})
    checked = call(site.name, "-o", "json")
    assert checked.status == 5
    assert "fail" in {
        state for subject, state in checked.states("bucket").items() if subject in {"write", "Object Lock"}
    }


def test_a_profile_that_is_wrong_is_a_finding_and_one_that_is_missing_a_usage_error(site: Site, call: Call) -> None:
    """Of several profiles the good one is checked all the same."""
    (site.clusters / "broken.yaml").write_text(yaml.safe_dump({"store": {"bucket": "b", "regoin": "x"}}))
    checked = call("-o", "json")
    assert checked.status == 5
    assert checked.findings["profile", "store.regoin"]["told"] == "unknown field; did you mean region?"
    assert "broken.yaml" in checked.findings["profile", "store.regoin"]["fix"]
    assert checked.findings["bucket", "delete"]["state"] == "ok"
    missing = call("nosuch")
    assert (missing.status, missing.out) == (2, "")
    assert f"known are broken, {site.name}" in missing.err


def test_a_profile_that_is_not_filled_in_is_told_field_by_field(site: Site, call: Call) -> None:
    """One line each: the field, its value, and what to write; the file is named once, with the fix."""
    site.profile["ssh"] = {"user": None, "key": "hunter2-hunter2", "known_hosts": "known_hosts"}
    site.profile["store"] |= {"bucket": "Backups"}
    site.write()
    checked = call(site.name)
    assert checked.status == 5
    path = site.clusters / f"{site.name}.yaml"
    told = [" ".join(line.split()) for line in checked.out.splitlines()]
    begin = f"fail {site.name} profile"
    assert told == [
        f"{begin} ssh.user: has no value; fill in: user who logs in on every node, with sudo or as root",
        f"{begin} ssh.key: an inline secret or an unknown kind of reference; write file:PATH, env:NAME or prefect:BLOCK",
        f"{begin} ssh.known_hosts: 'known_hosts': a relative path: a deployed run starts in another folder; write the whole path, from / on",
        f"{begin} store.bucket: 'Backups': write 3 to 63 lower-case letters, digits, - and .; the first and the last are a letter or a digit",
        f"Next: edit {path}; docs/profile.md explains every field",
    ]
    assert "hunter2" not in checked.out + checked.err


def test_one_missing_file_is_one_failure_and_what_needs_it_is_not_checked(
    site: Site, cluster: ControlPlane, sshd: Sshd, call: Call
) -> None:
    """Without known_hosts nothing goes over SSH; the bucket, the API by its kubeconfig and the direct route do work."""
    site.through(sshd)
    site.use_api(cluster.kubeconfig())
    missing = site.folder / "nosuch" / "known_hosts"
    site.profile["ssh"]["known_hosts"] = str(missing)
    site.write()
    checked = call(site.name)
    assert checked.status == 5
    cause = f"ssh.known_hosts: {missing} does not exist"
    lines = checked.out.splitlines()
    assert [line for line in lines if line.startswith("fail")] == [
        f"fail  {site.name:<12}  keys         ssh.key, ssh.known_hosts: {cause}"
    ]
    skipped = [line for line in lines if line.startswith("skip")]
    assert skipped
    assert all(line.endswith(f": not checked: {cause}") for line in skipped)
    assert {" ".join(line.split()[2:4]) for line in skipped} >= {"ssh cp1:", "ssh cp2:", "ssh cp3:"}
    assert f"1 failed, 0 warnings, {len(skipped)} not checked" in checked.err
    assert cause not in checked.err
    found = call(site.name, "-o", "json")
    assert set(found.states("bucket").values()) == {"ok"}
    assert found.states("rights") == {"all runbooks": "ok"}
    assert {
        subject.rpartition(" ")[2]: state for subject, state in found.states("etcd").items() if " by " in subject
    } == {
        "direct": "ok",
        "tunnel": "skip",
        "node": "skip",
    }
    assert "needs" not in found.findings["bucket", "delete"]


def test_a_store_without_keys_names_what_to_write_and_what_to_export(site: Site, call: Call, tmp_path: Path) -> None:
    """Both ways in words that can be typed; the instance's own address is never asked."""
    for key in ("access_key", "secret_key"):
        del site.profile["store"][key]
    site.write()
    alone = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": ""}
    checked = call(site.name, "-o", "json", environment=alone)
    told = checked.findings["bucket", site.bucket]
    assert (told["state"], "the keys of the store were not found" in told["told"]) == ("fail", True)
    assert "write access_key: file:PATH and secret_key: file:PATH below store: in the profile" in told["fix"]
    assert "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in told["fix"]


def test_hooks_and_checks_that_fit_nothing_are_found(site: Site, cluster: ControlPlane, sshd: Sshd, call: Call) -> None:
    """By a user with exactly the rights of the backup. The cluster serves a kind of snapshots, and has no class of them."""
    space = "/api/v1/namespaces"
    cluster.api.create(space, {"metadata": {"name": "ledger"}})
    cluster.api.create(f"{space}/ledger/serviceaccounts", {"metadata": {"name": "own"}})
    spec = {
        "serviceAccountName": "own",
        "containers": [{"name": "mysql", "image": "mysql:1"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    pod = {"metadata": {"name": "db-0", "labels": {"app": "db"}}, "spec": spec}
    cluster.api.create(f"{space}/ledger/pods", pod)
    hook = {"namespace": "ledger", "labels": "app=db", "container": "mysql", "freeze": ["a"], "thaw": ["b"]}
    check = {"namespace": "ledger", "labels": "app=db", "container": "mysql", "command": ["a"]}
    hooks = [
        hook | {"name": "fits"},
        hook | {"name": "elsewhere", "namespace": "absent"},
        hook | {"name": "nobody", "labels": "app in (web)"},
        hook | {"name": "wrong", "labels": "app in (db"},
    ]
    checks = [check | {"name": "fits"}, check | {"name": "other", "container": "postgres"}]
    site.through(sshd)
    site.use_api(kubeconfig_for(cluster, "volumes_backup"))
    site.write(volumes={"hooks": hooks, "checks": checks})
    checked = call(site.name, "-o", "json")
    assert checked.status == 5, checked.err
    wanted = {"hook fits": "ok", "hook elsewhere": "warn", "hook nobody": "warn", "hook wrong": "fail"}
    wanted |= {"check fits": "ok", "check other": "fail", "snapshots": "warn"}
    assert checked.states("volumes") == wanted, checked.out
    told = {subject: one["told"] for (area, subject), one in checked.findings.items() if area == "volumes"}
    assert told["hook fits"] == "1 pod in ledger with the container mysql"
    assert told["hook elsewhere"] == "there is no namespace absent"
    assert told["check other"] == "the pod ledger/db-0 has no container postgres, it has mysql"
    assert "unable to parse requirement" in told["hook wrong"]
    assert "does not serve snapshot.storage.k8s.io/v1" in told["snapshots"]

    serve_snapshot_classes(cluster)
    site.write(volumes={"hooks": [], "checks": checks[:1]})
    checked = call(site.name, "-o", "json")
    assert checked.states("volumes") == {"check fits": "ok", "snapshots": "warn", "snapshot-controller": "skip"}
    assert "there is no VolumeSnapshotClass" in checked.findings["volumes", "snapshots"]["told"]
    assert 'cannot list resource "deployments"' in checked.findings["volumes", "snapshot-controller"]["told"]


def serve_snapshot_classes(cluster: ControlPlane) -> None:
    """As the CRD of external-snapshotter does, without its schema."""
    group, kind = "snapshot.storage.k8s.io", "volumesnapshotclasses"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": kind, "singular": "volumesnapshotclass", "kind": "VolumeSnapshotClass"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    note = {"api-approved.kubernetes.io": "unapproved, for tests"}
    body = {
        "metadata": {"name": f"{kind}.{group}", "annotations": note},
        "spec": {"group": group, "scope": "Cluster", "names": names, "versions": [version]},
    }
    cluster.api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
    wait_until(lambda: cluster.api.is_fine(f"/apis/{group}/v1/{kind}"), LIMIT, "classes are served")
