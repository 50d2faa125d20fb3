"""What kubeadm would take away from a static pod's manifest: compared with what the real kubeadm writes."""

import base64
import hashlib
import os
import subprocess
from datetime import timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tasks.core.errors import NotYet
from tasks.core.models.profile import UpgradeRules
from tasks.upgrade import kubeadm_writes
from tasks.upgrade.kubeadm_writes import look_at_manifests
from tasks.upgrade.models.manifests import NodeManifests, PodShape, StaticManifest
from tasks.upgrade.policy.manifests import flags_not_to_lose, losses_of
from tasks.upgrade.probes import manifests, rendering
from tests.servers.binaries import kubernetes_binaries
from tests.servers.pki import Authority

API_SERVER, ETCD = "kube-apiserver", "etcd"
GIB = 2**30
CP1 = rendering.NodeTold(name="cp1", control_plane=True, socket="unix:///run/containerd/containerd.sock")
ENCRYPTION = "/etc/kubernetes/enc/config.yaml"
CLUSTER: dict[str, Any] = {
    "apiVersion": "kubeadm.k8s.io/v1beta4",
    "kind": "ClusterConfiguration",
    "kubernetesVersion": "v1.36.3",
    "networking": {"podSubnet": "10.244.0.0/16"},
}
IN_V1BETA4: dict[str, Any] = {
    "apiServer": {
        "extraArgs": [
            {"name": "encryption-provider-config", "value": ENCRYPTION},
            {"name": "service-account-issuer", "value": "https://a"},
            {"name": "service-account-issuer", "value": "https://b"},
        ],
        "extraVolumes": [{"name": "enc", "hostPath": "/etc/kubernetes/enc", "mountPath": "/etc/kubernetes/enc"}],
    }
}
IN_V1BETA3: dict[str, Any] = {
    "apiVersion": "kubeadm.k8s.io/v1beta3",
    "apiServer": IN_V1BETA4["apiServer"] | {"extraArgs": {"encryption-provider-config": ENCRYPTION}},
}


class Node:
    """A control plane node whose manifests the real kubeadm 1.36.3 wrote, of a configuration."""

    def __init__(self, folder: Path, address: str = "192.0.2.11", **cluster: object) -> None:
        self.folder, self.kubelet, self.patches = (
            folder / "manifests",
            folder / "kubelet/config.yaml",
            folder / "patches",
        )
        self.cluster = CLUSTER | cluster
        first = {
            "apiVersion": self.cluster["apiVersion"],
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": address, "bindPort": 6443},
            "nodeRegistration": {"name": "cp1", "criSocket": "unix:///run/containerd/containerd.sock"},
        }
        render = rendering.render(b"program kubeadm\n", control_plane=True)
        written = self.run(render, yaml.safe_dump_all([first, self.cluster]).encode())
        self.folder.mkdir()
        self.overrides: tuple[dict[str, Any], ...] = ()
        self.kubelet.parent.mkdir()
        for name, text in manifests.parse(written).items():
            file = self.kubelet if name == "config" else self.folder / f"{name}.yaml"
            file.write_text(text)

    def run(self, script: str, stdin: bytes = b"") -> bytes:
        """As on the node, with its folder of manifests elsewhere."""
        path = f"{kubernetes_binaries()}:{os.environ['PATH']}"
        for theirs, ours in (("/etc/kubernetes/manifests", self.folder), ("/var/lib/kubelet", self.kubelet.parent)):
            script = script.replace(theirs, str(ours))
        words = ["bash", "-c", script]
        variables = {"PATH": path, "HTTPS_PROXY": "http://proxy:3128"}
        return subprocess.run(words, input=stdin, capture_output=True, check=True, env=variables, timeout=60).stdout

    def edit(self, component: str, *changes: tuple[str, str]) -> None:
        """By hand: text that is there becomes another one."""
        file = self.folder / f"{component}.yaml"
        text = file.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        file.write_text(text)

    def look(self) -> bytes:
        """What it prints of itself; its patches only where it has some."""
        return self.run(manifests.look(PurePosixPath(self.patches) if self.patches.exists() else None, "1.37.2"))

    def seen(self, kubelet: str = "", /, **cluster: object) -> NodeManifests:
        """Looked at, with what kubeadm-config and kubelet-config have by now."""
        looked = self.look()
        told = rendering.ClusterTold(cluster=self.cluster | cluster, kubelet=kubelet)
        patches = PurePosixPath(self.patches) if manifests.has_patches(looked) else None
        given = rendering.configuration_for(CP1, looked, told, patches)
        written = self.run(rendering.render(looked, control_plane=True), given.encode())
        return manifests.compared("cp1", looked, written, overrides=self.overrides)

    def losses(self, **cluster: object) -> dict[str, dict[str, str]]:
        """Component to what goes, and the harm of it."""
        seen = self.seen(**cluster)
        assert seen.problem == ""
        assert seen.kubelet
        all_of_it = (*seen.manifests, seen.kubelet)
        found = {one.component: {loss.words: loss.harm for loss in losses_of(one)} for one in all_of_it}
        return {name: losses for name, losses in found.items() if losses}


@pytest.mark.parametrize("cluster", [{}, IN_V1BETA4, IN_V1BETA3], ids=["bare", "v1beta4", "v1beta3"])
def test_what_kubeadm_config_gives_stays(tmp_path: Path, cluster: dict[str, Any]) -> None:
    """Flags that come several times, and encryption with its mount, are among it."""
    node = Node(tmp_path, **cluster)
    seen = node.seen()
    assert [one.component for one in seen.manifests] == list(manifests.COMPONENTS)
    assert node.losses() == {}
    assert set(tmp_path.iterdir()) == {node.folder, node.kubelet.parent}


def test_an_address_of_ipv6_is_kubeadms_too(tmp_path: Path) -> None:
    """As the annotation of the API server has it."""
    networking = {"podSubnet": "fd00:10::/56", "serviceSubnet": "fd00:20::/112"}
    assert Node(tmp_path, "fd00::11", networking=networking).losses() == {}


def test_how_a_member_joined_is_no_loss(tmp_path: Path) -> None:
    """etcd reads it at its first start only."""
    node = Node(tmp_path)
    node.edit(
        ETCD,
        ("--initial-cluster=cp1=https://192.0.2.11:2380", "--initial-cluster=cp0=https://192.0.2.10:2380"),
        ("    - --key-file", "    - --initial-cluster-state=existing\n    - --key-file"),
    )
    assert node.losses() == {}


def test_encryption_that_was_added_by_hand_would_go(tmp_path: Path) -> None:
    """With its mount: the flag alone does not help, nor a mount of something else."""
    node = Node(tmp_path, **IN_V1BETA4)
    harm = "the new API server could not read the Secrets that are encrypted"
    lost = node.losses(apiServer={})[API_SERVER]
    assert lost[f"--encryption-provider-config={ENCRYPTION}"] == harm
    assert "the mount of /etc/kubernetes/enc at /etc/kubernetes/enc" in lost
    assert lost["--service-account-issuer=https://a, --service-account-issuer=https://b (kubeadm gives "
                "https://kubernetes.default.svc.cluster.local)"] == ""  # fmt: skip
    args = {"extraArgs": IN_V1BETA4["apiServer"]["extraArgs"]}
    mount = f"{ENCRYPTION} would not be there, or be another one"
    assert node.losses(apiServer=args)[API_SERVER] == {"the mount of /etc/kubernetes/enc at /etc/kubernetes/enc": mount}
    volume = {"name": "enc", "hostPath": "/srv/enc", "mountPath": "/etc/kubernetes/enc"}
    assert node.losses(apiServer=args | {"extraVolumes": [volume]})[API_SERVER] == {
        "the mount of /etc/kubernetes/enc at /etc/kubernetes/enc": mount
    }


def test_a_file_that_kubeadm_mounts_anyway_needs_no_volume(tmp_path: Path) -> None:
    """Below the folder of its certificates, for example."""
    args = [{"name": "encryption-provider-config", "value": "/etc/kubernetes/pki/enc.yaml"}]
    assert Node(tmp_path, apiServer={"extraArgs": args}).losses() == {}


def test_whatever_was_written_by_hand_is_named(tmp_path: Path) -> None:
    """A flag, another value of one of kubeadm's, a variable without its value, a container, a field, an annotation."""
    node = Node(tmp_path)
    node.edit(
        "kube-scheduler",
        ("--leader-elect=true", "--leader-elect=true\n    - --profiling=false\n    env: [{name: TOKEN, value: hush}]"),
        ("cpu: 100m", "cpu: 500m"),
        ("  hostNetwork: true", "  - {name: beside, image: x}\n  hostNetwork: true\n  hostAliases: [{ip: 192.0.2.1}]"),
        ("metadata:", "metadata:\n  annotations: {scraped: 'yes'}"),
    )
    node.edit("kube-controller-manager", ("--bind-address=127.0.0.1", "--bind_address=0.0.0.0"))
    assert node.losses() == {
        "kube-scheduler": dict.fromkeys(
            (
                "--profiling=false",
                "annotation scraped",
                "container beside",
                "its own resources",
                "spec.hostAliases",
                "variable TOKEN",
            ),
            "",
        ),
        "kube-controller-manager": {"--bind-address=0.0.0.0 (kubeadm gives 127.0.0.1)": ""},
    }
    assert "hush" not in node.seen().model_dump_json()


def test_oidc_and_audit_that_were_written_by_hand_would_go(tmp_path: Path) -> None:
    """Each flag and the mount by its name; nothing of it once kubeadm-config has it (F2)."""
    node = Node(tmp_path)
    flags = {
        "oidc-issuer-url": "https://sso.example",
        "oidc-client-id": "kubernetes",
        "audit-log-path": "-",
        "audit-policy-file": "/etc/kubernetes/audit/policy.yaml",
    }
    added = "".join(f"    - --{name}={value}\n" for name, value in flags.items())
    folder = "/etc/kubernetes/audit"
    node.edit(
        API_SERVER,
        ("    - --secure-port", f"{added}    - --secure-port"),
        ("    volumeMounts:\n", f"    volumeMounts:\n    - {{mountPath: {folder}, name: audit, readOnly: true}}\n"),
        ("  volumes:\n", f"  volumes:\n  - {{name: audit, hostPath: {{path: {folder}}}}}\n"),
    )
    words = (*(f"--{name}={value}" for name, value in flags.items()), f"the mount of {folder} at {folder}")
    assert node.losses() == {API_SERVER: dict.fromkeys(words, "")}
    args = [{"name": name, "value": value} for name, value in flags.items()]
    volumes = [{"name": "audit", "hostPath": folder, "mountPath": folder, "readOnly": True}]
    assert node.losses(apiServer={"extraArgs": args, "extraVolumes": volumes}) == {}


def test_etcd_that_would_start_elsewhere(tmp_path: Path) -> None:
    """On another directory, of the container or of the host; a quota matters once the database needs it."""
    node = Node(tmp_path)
    node.edit(
        ETCD, ("    - --key-file", "    - --quota-backend-bytes=8589934592\n    - --wal-dir=/wal\n    - --key-file")
    )
    node.edit(ETCD, ("      path: /var/lib/etcd", "      path: /srv/etcd"))
    assert node.losses()[ETCD] == {
        "--quota-backend-bytes=8589934592": "",
        "--wal-dir=/wal": "the new etcd would look for its log in another directory",
        "the mount of /srv/etcd at /var/lib/etcd": "/var/lib/etcd would not be there, or be another one",
    }
    node.edit(ETCD, ("--data-dir=/var/lib/etcd", "--data-dir=/var/lib/etcd/old"))
    directory = "--data-dir=/var/lib/etcd/old (kubeadm gives /var/lib/etcd)"
    assert node.losses()[ETCD][directory] == "the new etcd would start with another data directory"


@pytest.mark.parametrize(
    ("given", "db_bytes", "harm"),
    [
        ((), GIB, ""),
        ((), 3 * GIB, "3.0 GiB of the database are more than the quota of 2.0 GiB: etcd would allow no change"),
        ((str(4 * GIB),), 3 * GIB, ""),
    ],
)
def test_a_quota_matters_once_the_database_needs_it(given: tuple[str, ...], db_bytes: int, harm: str) -> None:
    """kubeadm gives none, so that it is etcd's own."""
    flag = "quota-backend-bytes"
    rendered = PodShape(flags={flag: given} if given else {})
    manifest = StaticManifest(component=ETCD, found=PodShape(flags={flag: (str(8 * GIB),)}), rendered=rendered)
    (loss,) = losses_of(manifest, db_bytes=db_bytes)
    assert loss.harm == harm


@pytest.mark.parametrize(
    ("servers", "harm"),
    [
        ("https://127.0.0.1:2379,https://192.0.2.12:2379", ""),
        ("https://192.0.2.99:2379", "the new API server would ask https://127.0.0.1:2379, which it does not ask now"),
    ],
)
def test_an_api_server_that_would_ask_another_etcd(tmp_path: Path, servers: str, harm: str) -> None:
    """Fewer of the same are fine."""
    node = Node(tmp_path)
    node.edit(API_SERVER, ("--etcd-servers=https://127.0.0.1:2379", f"--etcd-servers={servers}"))
    assert node.losses()[API_SERVER] == {f"--etcd-servers={servers} (kubeadm gives https://127.0.0.1:2379)": harm}


def test_etcd_that_kubeadm_does_not_write_is_not_compared(tmp_path: Path) -> None:
    """An external one: what is there stays there."""
    node = Node(tmp_path)
    external = {
        "external": {"endpoints": ["https://192.0.2.99:2379"], "caFile": "/c", "certFile": "/c", "keyFile": "/c"}
    }
    seen = node.seen(etcd=external)
    assert next(one for one in seen.manifests if one.component == ETCD).rendered is None
    assert ETCD not in node.losses(etcd=external)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kind: Pod", "kind: Pod\n - a: b: c", "it is no YAML: "),
        ("kind: Pod", "kind: PodList", "it is no Pod"),
        ("spec:\n  containers:", "spec:\n  containers: []\n  others:", "it has no container"),
        (
            "    - kube-scheduler\n",
            "    - sh\n    - -c\n    - kube-scheduler\n",
            "its command is not kube-scheduler but sh",
        ),
        (
            "  - command:\n    - kube-scheduler\n",
            "  - others:\n",
            "its command is not kube-scheduler but that of its image",
        ),
    ],
)
def test_a_manifest_that_is_not_understood_has_not_no_flags(tmp_path: Path, old: str, new: str, told: str) -> None:
    """The reason is told, and the others are compared."""
    node = Node(tmp_path)
    node.edit("kube-scheduler", (old, new))
    last = node.seen().manifests[-1]
    assert (last.component, last.found) == ("kube-scheduler", None)
    assert last.problem.startswith(told)
    assert losses_of(last) == ()
    assert flags_not_to_lose(last) == ()


def test_what_kubeadm_does_not_read_it_does_not_write(tmp_path: Path) -> None:
    """Its own words say why; what must not be lost is known all the same."""
    node = Node(tmp_path, **IN_V1BETA4)
    seen = node.seen(apiVersion="kubeadm.k8s.io/v1alpha1")
    assert "kubeadm.k8s.io/v1alpha1" in seen.problem
    assert {one.rendered for one in seen.manifests} == {None}
    assert [flags_not_to_lose(one) for one in seen.manifests] == [(), ("--encryption-provider-config",), (), ()]
    elsewhere = manifests.compared("cp1", node.look())
    assert elsewhere.problem == "kubeadm did not write the files into the folder of its --rootfs"


class Shell:
    """Root's shell on the node; one without a node does not answer."""

    def __init__(self, node: Node | None) -> None:
        self.node = node

    def ask(self, script: str, *, stdin: bytes = b"", limit: timedelta) -> bytes:
        assert limit > timedelta()
        if self.node is None:
            raise NotYet("no route to host")
        return self.node.run(script, stdin)


def test_nodes_are_looked_at_together_and_one_that_does_not_answer_is_a_fact(tmp_path: Path) -> None:
    """With the reason; also where nothing can be rendered."""
    node = Node(tmp_path, **IN_V1BETA4)
    config = {"data": {"ClusterConfiguration": yaml.safe_dump(node.cluster)}}
    shells = {"cp1": Shell(node), "cp2": Shell(None)}
    config_of = {kubeadm_writes.CONFIGURATION: config}
    kubelet = SimpleNamespace(
        manifests="/etc/kubernetes/manifests", config="/k/config", runtime_endpoint=CP1.socket, overrides=()
    )
    handle: Any = SimpleNamespace(
        shell=shells.__getitem__,
        kube=SimpleNamespace(find=config_of.get),
        control_planes=("cp1", "cp2"),
        shape=lambda _: SimpleNamespace(kubelet=kubelet),
        profile=SimpleNamespace(upgrade=UpgradeRules()),
    )
    seen, silent = look_at_manifests(handle, ["cp1", "cp2"], "1.37.2")
    assert seen == node.seen().model_copy(
        update={"read_from": "/etc/kubernetes/manifests", "configured_by": "/k/config"}
    )
    assert silent == NodeManifests(node="cp2", unread="no route to host")
    config.clear()
    (unknown,) = look_at_manifests(handle, ["cp1"], "1.37.2")
    assert unknown.problem == "kube-system/kubeadm-config has no ClusterConfiguration"
    assert {one.component for one in unknown.manifests} == set(manifests.COMPONENTS)


def test_what_was_written_into_the_kubelets_configuration_would_go(tmp_path: Path) -> None:
    """kubeadm writes it from kubelet-config: what stands there stays; a field that is a secret is not told."""
    node = Node(tmp_path)
    own = "maxPods: 55\nevictionHard: {memory.available: 1Gi}\nstaticPodURLHeader: {Authorization: [hush]}\n"
    node.kubelet.write_text(node.kubelet.read_text().replace("cgroupDriver: systemd", "cgroupDriver: cgroupfs") + own)
    assert node.losses() == {
        "kubelet": {
            "cgroupDriver: cgroupfs (kubeadm writes systemd)": "the new kubelet would not start pods: its container runtime "
            "has another cgroup driver",
            "evictionHard.memory.available: 1Gi": "",
            "maxPods: 55": "",
            "staticPodURLHeader: (set)": "",
        }
    }
    assert node.seen(node.kubelet.read_text()).problem == ""
    kept = node.seen(node.kubelet.read_text()).kubelet
    assert kept
    assert losses_of(kept) == ()


def test_patches_keep_what_they_give(tmp_path: Path) -> None:
    """For static pods and for the kubelet; kubeadm itself applies them."""
    node = Node(tmp_path)
    node.edit(API_SERVER, ("    - --secure-port", "    - --profiling=false\n    - --secure-port"))
    node.kubelet.write_text(node.kubelet.read_text() + "maxPods: 55\n")
    assert {name: list(lost) for name, lost in node.losses().items()} == {
        API_SERVER: ["--profiling=false"],
        "kubelet": ["maxPods: 55"],
    }
    node.patches.mkdir()
    (node.patches / "below").mkdir()
    flag = '[{"op": "add", "path": "/spec/containers/0/command/-", "value": "--profiling=false"}]'
    (node.patches / "below/kube-apiserver0+json.json").write_text(flag)
    (node.patches / "README").write_text("not read")
    (node.patches / "kubeletconfiguration.yaml").write_text("maxPods: 55\n")
    assert node.losses() == {}
    patches = node.seen().patches
    assert patches
    assert list(patches.files) == ["below/kube-apiserver0+json.json", "kubeletconfiguration.yaml"]
    assert patches.files["below/kube-apiserver0+json.json"] == hashlib.sha256(flag.encode()).hexdigest()


def test_a_folder_of_patches_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    """Nothing is rendered with it."""
    node = Node(tmp_path)
    looked = node.run(manifests.look(PurePosixPath(node.patches), "1.37.2"))
    patches = manifests.compared("cp1", looked).patches
    assert patches
    assert patches.problem == f"there is no folder {node.patches}"
    assert not manifests.has_patches(looked)


def test_a_worker_has_a_kubelet_alone(tmp_path: Path) -> None:
    """Nothing of a control plane is rendered for it, and nothing of one is missed."""
    node = Node(tmp_path)
    for file in node.folder.iterdir():
        file.unlink()
    w1 = rendering.NodeTold(name="w1", control_plane=False, endpoint="unix:///run/crio/crio.sock")
    pki = tmp_path / "pki"
    Authority(pki, "ca")  # its certificate alone, as every worker has it: no external CA
    told = rendering.ClusterTold(cluster=node.cluster | {"certificatesDir": str(pki)})
    node.kubelet.write_text(node.kubelet.read_text().replace("/etc/kubernetes/pki", str(pki)))
    given = rendering.configuration_for(w1, looked := node.look(), told)
    written = node.run(rendering.render(looked, control_plane=False), given.encode())
    seen = manifests.compared("w1", looked, written, control_plane=False)
    assert (seen.problem, seen.manifests) == ("", ())
    assert seen.kubelet
    (lost,) = losses_of(seen.kubelet)
    assert lost.words.endswith("(kubeadm writes unix:///run/crio/crio.sock)")
    assert lost.harm == "the new kubelet would ask another container runtime"


@pytest.mark.parametrize(
    ("instance", "socket", "endpoint", "wanted"),
    [
        ("containerRuntimeEndpoint: unix:///a", "unix:///b", "unix:///c", "unix:///a"),
        ("", "unix:///b", "unix:///c", "unix:///b"),
        ("", "", "unix:///c", "unix:///c"),
        ("", "", "", None),
    ],
)
def test_the_container_runtime_is_the_nodes_own(instance: str, socket: str, endpoint: str, wanted: str | None) -> None:
    """In kubeadm's order; where nobody says one kubeadm looks itself."""
    told = f"kubeadm v1.37.2\ninstance {base64.b64encode(instance.encode()).decode()}\n".encode()
    node = rendering.NodeTold(name="w1", control_plane=False, address="fd00::21", socket=socket, endpoint=endpoint)
    given = rendering.configuration_for(node, told, rendering.ClusterTold(cluster=CLUSTER))
    own = next(yaml.safe_load_all(given))
    assert own["nodeRegistration"].get("criSocket") == wanted
    assert own["localAPIEndpoint"] == {"advertiseAddress": "fd00::21"}  # or kubeadm needs a default route


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("no_kubelet /var/lib/kubelet/config.yaml is not there", "/var/lib/kubelet/config.yaml is not there"),
        ("kubelet !", "it is empty"),
        ("kubelet Ww==", "it is no YAML: "),
        ("kubelet W10=", "it is no configuration"),
    ],
)
def test_a_kubelets_configuration_that_is_not_understood_is_a_problem(line: str, told: str) -> None:
    """It is not one without fields."""
    kubelet = manifests.compared("w1", f"kubeadm v1\n{line}\n".encode(), control_plane=False).kubelet
    assert kubelet
    assert kubelet.problem.startswith(told)


def test_who_pulls_images_is_told_of_the_container_runtime() -> None:
    """Where it is known; kubeadm looks for one else."""
    assert rendering.registration_at("", CLUSTER) == ()
    (told,) = rendering.registration_at("unix:///run/crio/crio.sock", CLUSTER)
    assert told == {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "nodeRegistration": {"criSocket": "unix:///run/crio/crio.sock"},
    }


def test_what_kubeadm_is_told_by_the_cluster_has_to_be_yaml() -> None:
    """Else nothing is rendered, and the reason is told."""
    told = rendering.ClusterTold(cluster=CLUSTER, kubelet="a: b: c")
    with pytest.raises(ValueError, match="kubelet-config is no YAML"):
        rendering.configuration_for(CP1, looked("v1.37.2", API_SERVER_POD), told)


API_SERVER_POD = f"kind: Pod\nmetadata: {{annotations: {{{rendering.ENDPOINT}: '[fd00::1]:6443'}}}}\n"


def looked(kubeadm: str, api_server: str = "") -> bytes:
    """What a node prints."""
    return f"kubeadm {kubeadm}\nmanifest kube-apiserver {base64.b64encode(api_server.encode()).decode()}\n".encode()


@pytest.mark.parametrize(
    ("found", "cluster", "told"),
    [
        (looked(""), CLUSTER, "there is no kubeadm"),
        (looked("v1.36.3"), {}, "kube-system/kubeadm-config has no ClusterConfiguration"),
        (looked("v1.36.3"), CLUSTER, "it is no Pod"),
        (looked("v1.36.3", "{kind: Pod, spec: []}"), CLUSTER, "it could not be parsed: spec"),
        (
            looked("v1.36.3", "kind: Pod"),
            CLUSTER,
            "the manifest of kube-apiserver has no annotation kubeadm.kubernetes.io/",
        ),
    ],
)
def test_what_kubeadm_would_be_given_has_to_be_known(found: bytes, cluster: dict[str, Any], told: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=told):
        rendering.configuration_for(CP1, found, rendering.ClusterTold(cluster=cluster))


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (["--a=1", "--b", "2", "--c", "--a=3=4"], {"a": ("1", "3=4"), "b": ("2",), "c": ("true",)}),
        (["-v=2", "word", "--", "--d_e=5"], {"v": ("2",), "d-e": ("5",)}),
        ([], {}),
    ],
)
def test_flags_as_the_programs_read_them(words: list[str], flags: dict[str, tuple[str, ...]]) -> None:
    """One or two dashes, underscores, several times."""
    assert manifests.flag_values(words) == flags


def test_what_a_drop_in_of_the_kubelet_says_does_not_go(tmp_path: Path) -> None:
    """kubeadm writes the file alone: the kubelet has the same value afterwards."""
    node = Node(tmp_path)
    own = "maxPods: 55\nevictionHard: {memory.available: 1Gi, nodefs.available: 5%}\n"
    node.kubelet.write_text(node.kubelet.read_text().replace("cgroupDriver: systemd", "cgroupDriver: cgroupfs") + own)
    node.overrides = ({"maxPods": 20, "cgroupDriver": "cgroupfs"}, {"evictionHard": {"memory.available": "1Gi"}})
    assert node.losses() == {"kubelet": {"evictionHard.nodefs.available: 5%": ""}}
