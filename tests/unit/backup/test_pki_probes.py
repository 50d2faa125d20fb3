"""What kubeadm 1.36.3 left on nodes, as our commands printed it there, and what is read from it."""

import os
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tasks.backup.models.pki import SHARED, NamedFile
from tasks.backup.probes.pki import (
    cluster_configuration,
    describe,
    files_named_by,
    parse_cluster_configuration,
    parse_files,
    places_of,
    runs_etcd,
)
from tasks.core.errors import CommandFailed, Refused
from tasks.core.models.shape import NodeShape
from tasks.core.probes.node_shape import parse, places_at_first
from tests.facts.ca_nodes import manifest
from tests.facts.shapes import printed

DATA = Path(__file__).parents[1] / "data" / "kubeadm"
ENCRYPTION = NamedFile(flag="encryption-provider-config", path="/etc/kubernetes/encryption/config.yaml")


def recorded(name: str) -> str:
    """What was printed."""
    return (DATA / name).read_text()


def paths(name: str) -> set[str]:
    """Of the files in a recording, below kubeadm's folder."""
    status = 1 if "user" in name else 0
    files = parse_files("cp1", status, (DATA / f"{name}.stdout").read_bytes(), (DATA / f"{name}.stderr").read_bytes())
    return {file.path.removeprefix("/etc/kubernetes/") for file in files}


def test_a_control_plane_node_has_all_shared_files_and_its_manifests() -> None:
    """With checksum, mode and owner."""
    manifests = {f"manifests/{name}.yaml" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")}
    assert paths("files") == {*SHARED, *manifests, "manifests/etcd.yaml"}
    assert paths("files-external-etcd") == {*SHARED[:6], *manifests}
    key = parse_files("cp1", 0, (DATA / "files.stdout").read_bytes(), b"")[1]
    assert key.path == "/etc/kubernetes/manifests/kube-apiserver.yaml"
    assert (key.sha256[:8], key.mode, key.owner) == ("61af638b", "600", "root:root")


def test_a_file_that_may_not_be_read_is_not_taken_for_absent() -> None:
    """The login lacks sudo: refused, with the file and the fix."""
    with pytest.raises(
        Refused, match=r"cp1: .* cannot be read: sha256sum: /etc/kubernetes/pki/ca.key: Permission denied -> .*ssh.sudo"
    ):
        paths("files-as-user")


def test_other_remarks_on_stderr_are_no_complaint() -> None:
    """sudo says this on nodes that do not know their own name."""
    stdout = (DATA / "files.stdout").read_bytes()
    remark = b"sudo: unable to resolve host cp1: Name or service not known\n"
    assert parse_files("cp1", 0, stdout, remark) == parse_files("cp1", 0, stdout, b"")
    with pytest.raises(Refused, match="cp1: its key material cannot be read: status 1"):
        parse_files("cp1", 1, b"", b"")


@pytest.mark.parametrize("name", ["it's here", "a b", "-n", "$(id)", "p\\nki*"])
def test_the_commands_survive_any_folder(tmp_path: Path, name: str) -> None:
    """Run by a shell, as on a node; what is not there is no failure."""
    folder = tmp_path / name
    for made in ("pki", "manifests"):
        (folder / made).mkdir(parents=True)
    (folder / "pki" / "ca.crt").write_text("x")
    (folder / "manifests" / "kube vip.yaml").write_text("y")
    (folder / "pki/link.crt").symlink_to("ca.crt")
    (folder / "pki/gone.crt").symlink_to("none")
    there = [str(folder / "pki/ca.crt"), str(folder / "pki/link.crt")]
    absent = [str(folder / "none"), str(folder / "no/folder"), str(folder / "pki/gone.crt"), f"{folder}/pki/ca.crt/x"]
    for command, expected in (
        (
            describe([*absent, *there], PurePosixPath(folder / "manifests")),
            [folder / "manifests/kube vip.yaml", *there],
        ),
        (describe([*absent, *there]), there),
        (describe(absent), []),
    ):
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, stdin=subprocess.DEVNULL)
        files = parse_files("cp1", done.returncode, done.stdout, done.stderr)
        assert [file.path for file in files] == list(map(str, expected))


def test_what_nobody_may_look_for_is_not_taken_for_absent(tmp_path: Path) -> None:
    """A login without sudo sees into no folder of root's."""
    (tmp_path / "pki").mkdir(mode=0)
    command = describe([str(tmp_path / "pki/ca.key")])
    words = ["/bin/sh", "-c", command]
    if os.getuid() == 0:
        tmp_path.chmod(0o755)
        for above in tmp_path.parents[:2]:
            above.chmod(0o755)
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *words]
    done = subprocess.run(words, capture_output=True, check=False)
    with pytest.raises(Refused, match=r"cp1: its key material cannot be read: .*pki/ca.key.*: Permission denied"):
        parse_files("cp1", done.returncode, done.stdout, done.stderr)


def shaped(api_server: str, *more: str, controllers: str = "", problems: tuple[str, ...] = ()) -> NodeShape:
    """A control plane node with the manifest of its API server, and those of `more` as kubeadm writes them."""
    texts = {pod: manifest(pod, "/etc/kubernetes/pki") for pod in more} | {"kube-apiserver": api_server}
    if controllers:
        texts["kube-controller-manager"] = controllers
    found = parse("cp1", printed(pods=texts), places_at_first(PurePosixPath("/etc/kubernetes")))
    return found.model_copy(update={"problems": (*found.problems, *problems)})


def test_key_material_is_where_the_nodes_own_flags_say() -> None:
    """kubeadm's `certificatesDir: /srv/pki`, and a folder that a container knows by another name."""
    at_home = shaped(recorded("kube-apiserver.yaml"), "etcd", "kube-controller-manager")
    assert places_of(at_home) == {name: f"/etc/kubernetes/{name}" for name in SHARED}
    moved = recorded("kube-apiserver.yaml").replace("/etc/kubernetes/pki", "/srv/pki")
    found = places_of(shaped(moved, controllers=manifest("kube-controller-manager", "/srv/pki")))
    assert found == {name: f"/srv/{name}" for name in SHARED if "etcd" not in name}
    assert places_of(shaped("spec: {containers: [{command: [kube-apiserver, --etcd-servers=x]}]}")) == {}


def test_a_member_whose_manifest_is_not_understood_is_a_member() -> None:
    """An external etcd has no manifest here at all; its own CA is what the API server believes."""
    odd = shaped(recorded("kube-apiserver.yaml"), problems=("the manifest of etcd: it has no flags",))
    assert runs_etcd(odd)
    assert places_of(odd)["pki/etcd/ca.crt"] == "/etc/kubernetes/pki/etcd/ca.crt"
    assert not runs_etcd(shaped(recorded("kube-apiserver.yaml")))


def test_the_encryption_provider_configuration_is_found_where_the_node_has_it() -> None:
    """The manifest names it as the container sees it: /etc/kubernetes/enc, which is /etc/kubernetes/encryption outside."""
    assert files_named_by("cp1", shaped(recorded("kube-apiserver.yaml"), "etcd")) == (ENCRYPTION,)


def test_with_an_external_etcd_its_client_files_are_named_too() -> None:
    """kubeadm did not make them and cannot make them again."""
    named = files_named_by("cp1", shaped(recorded("kube-apiserver-external-etcd.yaml")))
    assert named == (
        ENCRYPTION,
        NamedFile(flag="etcd-cafile", path="/etc/kubernetes/pki/etcd-external/ca.crt"),
        NamedFile(flag="etcd-certfile", path="/etc/kubernetes/pki/apiserver-etcd-client.crt"),
        NamedFile(flag="etcd-keyfile", path="/etc/kubernetes/pki/apiserver-etcd-client.key"),
    )


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (
            "mountPath: /etc/kubernetes/enc\n",
            "mountPath: /etc/kubernetes/enc/config.yaml\n",
            "/etc/kubernetes/encryption",
        ),
        (
            "mountPath: /etc/kubernetes/enc\n",
            "mountPath: /etc/kubernetes/enc\n      subPath: deep\n",
            "/etc/kubernetes/encryption/deep/config.yaml",
        ),
        (
            "mountPath: /etc/kubernetes/enc\n",
            "mountPath: /etc/kubernetes\n",
            "/etc/kubernetes/encryption/enc/config.yaml",
        ),
        ("mountPath: /etc/kubernetes/enc\n", "mountPath: /elsewhere\n", "/etc/kubernetes/enc/config.yaml"),
        (
            "  - hostPath:\n      path: /etc/kubernetes/encryption\n      type: DirectoryOrCreate",
            "  - emptyDir: {}",
            "/etc/kubernetes/enc/config.yaml",
        ),
    ],
    ids=["a file", "subPath", "a folder above", "not mounted", "not of the node"],
)
def test_a_path_follows_its_mount(old: str, new: str, path: str) -> None:
    """Of the one that is nearest; without one, the container's path is all there is."""
    text = recorded("kube-apiserver.yaml")
    assert old in text
    assert files_named_by("cp1", shaped(text.replace(old, new), "etcd"))[0].path == path


def test_an_api_server_without_encryption_names_nothing() -> None:
    """The usual case."""
    text = recorded("kube-apiserver.yaml").replace("--encryption-provider-config=", "--encryption=")
    assert files_named_by("cp1", shaped(text, "etcd")) == ()


def test_a_manifest_that_is_not_understood_is_refused() -> None:
    """It may name what a rebuild needs."""
    with pytest.raises(Refused, match="cp1: its kube-apiserver.yaml has no --etcd-servers"):
        files_named_by("cp1", shaped("spec: {containers: [{command: [kube-apiserver, --client-ca-file=/x]}]}"))


def test_kubeadms_configuration_is_what_kubeadm_init_takes() -> None:
    """Not the ConfigMap around it."""
    found = parse_cluster_configuration("cp1", 0, (DATA / "kubeadm-config.yaml").read_bytes(), b"").decode()
    assert found.startswith("apiServer:\n  extraArgs:\n")
    assert "\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.3\n" in found
    assert "ConfigMap" not in found


def test_kubectl_is_asked_with_the_nodes_own_kubeconfig(tmp_path: Path) -> None:
    """Its folder may have any name."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    kubectl.chmod(0o755)
    command, env = cluster_configuration(PurePosixPath("/etc/it's kube")), {"PATH": f"{tmp_path}:{os.defpath}"}
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True, text=True, env=env).stdout
    assert said.startswith("--kubeconfig|/etc/it's kube/admin.conf|--request-timeout|15s|-n|kube-system|get|configmap|")


@pytest.mark.parametrize(
    ("status", "stdout", "stderr", "told"),
    [
        (1, b"", b"E1 x\nThe connection to the server was refused\n", "status 1: The connection to the server was ref"),
        (127, b"", b"/bin/sh: 1: kubectl: not found\n", "status 127: .*kubectl: not found"),
        (1, b"", b"", "status 1: no reason was given"),
        (0, b"", b"", "holds no ClusterConfiguration"),
        (0, b"a: [", b"", "holds no ClusterConfiguration"),
        (0, b"data: {ClusterConfiguration: 'kind: Pod'}", b"", "holds no ClusterConfiguration"),
        (0, b"data: {ClusterConfiguration: 'text'}", b"", "holds no ClusterConfiguration"),
    ],
)
def test_without_kubeadms_configuration_it_is_said_why(status: int, stdout: bytes, stderr: bytes, told: str) -> None:
    """In one line."""
    with pytest.raises(CommandFailed, match=f"^cp1: .*{told}") as failed:
        parse_cluster_configuration("cp1", status, stdout, stderr)
    assert "\n" not in str(failed.value)
