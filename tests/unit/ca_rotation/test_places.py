"""Where a node has its CAs, and what is changed within its files: by its own flags, in any form, on folders of its own."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tasks.ca_rotation.probes import places as probe
from tasks.ca_rotation.probes import texts
from tasks.ca_rotation.probes.places import flags_in, problems_of
from tasks.ca_rotation.scripts import make
from tasks.certificates.models.authorities import State
from tasks.core.errors import NotYet, Refused
from tasks.core.models.kubeadm import PARKED, Authority
from tests.facts.ca_nodes import CONFIGS, Node, kubelet_config, manifest

CLUSTER, CONTROLLERS = Authority.CLUSTER, "kube-controller-manager"
STATES = (State.BOTH, State.NEW_SIGNS, State.ONLY_NEW)


def moved_away(node: Node) -> None:
    """kubeadm's `certificatesDir: /srv/pki`."""
    elsewhere = node.root.parent / "srv/pki"
    shutil.copytree(node.pki, elsewhere)
    shutil.rmtree(node.pki)
    node.tell(str(elsewhere))


def linked(node: Node) -> None:
    """As kubespray has it."""
    node.pki.rename(node.root / "ssl")
    node.pki.symlink_to("ssl")


def files_linked(node: Node) -> None:
    """Each file, as a secret store lays them out."""
    store = node.root.parent / "store"
    store.mkdir()
    for file in [one for one in node.pki.rglob("*") if one.is_file()]:
        real = store / "-".join(file.relative_to(node.pki).parts)
        file.rename(real)
        file.symlink_to(real)


@pytest.mark.parametrize("authority", Authority)
@pytest.mark.parametrize("lay_out", [moved_away, linked, files_linked])
def test_files_are_where_the_nodes_own_flags_say(
    node: Node, authority: Authority, lay_out: Callable[[Node], None]
) -> None:
    """Each state is made there, and links stay links."""
    lay_out(node)
    files = node.files(authority)
    links = {path for path in (files.trust, files.key) if Path(path).is_symlink()}
    assert node.look(authority).problems == ()
    node.begin(authority)
    for state in STATES:
        assert node.make(authority, state)
        assert node.state(authority) is state
        assert node.make(authority, state) == []
    assert {path for path in (files.trust, files.key) if Path(path).is_symlink()} == links


def quoted(text: str) -> str:
    """Each word in quotation marks."""
    return "\n".join(
        f'{head}- "{word}"' if "--" in (word := rest) else line
        for line in text.splitlines()
        for head, _, rest in [line.partition("- ")]
    )


def in_two_words(text: str) -> str:
    """The flag and its value, apart."""
    told = yaml.safe_load(text)
    container = told["spec"]["containers"][0]
    container["command"] = [part for word in container["command"] for part in word.split("=", 1)]
    return yaml.safe_dump(told)


def in_arguments(text: str) -> str:
    """Beside a sidecar that comes first."""
    told = yaml.safe_load(text)
    container = told["spec"]["containers"][0]
    container["args"] = container.pop("command")[1:]
    told["spec"]["containers"].insert(0, {"name": "sidecar", "command": ["x", "--root-ca-file=/none"]})
    return yaml.safe_dump(told)


def in_one_line(text: str) -> str:
    """Flow style, which JSON is, too."""
    return json.dumps(yaml.safe_load(text))


def underscored(text: str) -> str:
    """Kubernetes' programs read it as well."""
    return text.replace("cluster-signing-cert-file", "cluster_signing_cert_file")


def commented(text: str) -> str:
    """By whoever edits manifests by hand."""
    return text.replace(f"{CONTROLLERS}\n", f"{CONTROLLERS} # --cluster-signing-cert-file=/none\n")


@pytest.mark.parametrize("written", [quoted, in_two_words, in_arguments, in_one_line, underscored, commented])
def test_a_manifest_is_changed_in_whatever_form_it_has(node: Node, written: Callable[[str], str]) -> None:
    """What is written back means to kubelet what it meant before, but for the file to sign with."""
    file = node.manifests / f"{CONTROLLERS}.yaml"
    file.write_text(written(file.read_text()))
    before = yaml.safe_load(file.read_text())
    node.begin(CLUSTER)
    assert node.look(CLUSTER).problems == ()
    node.make(CLUSTER, State.BOTH)
    assert node.look(CLUSTER).signs_by == str(node.pki / "ca-signing.crt")
    assert yaml.safe_load(file.read_text()) == json.loads(
        json.dumps(before)
        .replace(
            "signing-cert-file=" + str(node.pki / "ca.crt"), "signing-cert-file=" + str(node.pki / "ca-signing.crt")
        )
        .replace(
            "signing_cert_file=" + str(node.pki / "ca.crt"), "signing_cert_file=" + str(node.pki / "ca-signing.crt")
        )
        .replace(
            '"--cluster-signing-cert-file", "' + str(node.pki / "ca.crt"),
            '"--cluster-signing-cert-file", "' + str(node.pki / "ca-signing.crt"),
        )
    )
    assert yaml.safe_load(file.read_text()) != before
    node.make(CLUSTER, State.ONLY_NEW)
    assert yaml.safe_load(file.read_text()) == before


def folded(text: str) -> str:
    """Base64 over several lines."""
    told = yaml.safe_load(text)
    cluster = told["clusters"][0]["cluster"]
    data = cluster["certificate-authority-data"]
    lines = [data[at : at + 76] for at in range(0, len(data), 76)]
    return yaml.safe_dump(told, width=10**6).replace(data, ">-\n" + "\n".join(f"      {one}" for one in lines))


@pytest.mark.parametrize("written", [folded, in_one_line])
def test_a_kubeconfig_is_changed_in_whatever_form_it_has(node: Node, written: Callable[[str], str]) -> None:
    """And nothing in it but the CA."""
    file = node.root / "admin.conf"
    before = yaml.safe_load(file.read_text())
    file.write_text(written(file.read_text()))
    assert yaml.safe_load(file.read_text())["users"] == before["users"]
    node.begin(CLUSTER)
    node.make(CLUSTER, State.BOTH)
    assert len(node.believes("admin.conf")) == 2
    now = yaml.safe_load(file.read_text())
    assert (now["users"], now["contexts"]) == (before["users"], before["contexts"])


def test_other_clusters_in_a_persons_kubeconfig_stay_as_they_are(node: Node) -> None:
    """Their CA is none of ours, nor is one that names a file."""
    file = node.root / "admin.conf"
    told = yaml.safe_load(file.read_text())
    other = base64.b64encode((node.pki / "front-proxy-ca.crt").read_bytes()).decode()
    others = [
        {"name": "other", "cluster": {"server": "https://x", "certificate-authority-data": other}},
        {"name": "file", "cluster": {"server": "https://y", "certificate-authority": "/srv/ca.crt"}},
    ]
    file.write_text(yaml.safe_dump(told | {"clusters": [*told["clusters"], *others]}))
    node.begin(CLUSTER)
    node.make(CLUSTER, State.BOTH)
    now = yaml.safe_load(file.read_text())["clusters"]
    assert now[1:] == others
    assert now[0] != told["clusters"][0]


SECRETS = """\
apiVersion: v1
clusters:
- name: a
  cluster: {server: "https://x:6443", certificate-authority-data: Q0E=}
users:
- name: one
  user:
    client-certificate-data: Q0VSVA==
    client-key-data: U0VDUkVUMQ==
- name: two
  user: {"client-key-data": "U0VDUkVUMg==", username: "me"}
- name: three
  user:
    client-key-data: >-
      U0VDUkVU
      Mw==
    token: SECRET4.a_b-c
    password: 'SECRET5'
current-context: a
"""


def test_no_secret_of_a_kubeconfig_leaves_its_node(node: Node) -> None:
    """Each of its characters is another one, so that places in the text stay the same."""
    file = node.root / "of me.conf"
    file.write_text(SECRETS)
    done = node.sh(texts.look(CLUSTER, [str(file)]))
    [told] = texts.parse(done.stdout).kubeconfigs
    assert told.path == str(file)
    assert len(told.text) == len(SECRETS)
    for secret in ("U0VDUkVUMQ", "U0VDUkVUMg", "U0VDUkVU\n", "Mw==", "SECRET"):
        assert secret not in told.text
    before, now = yaml.safe_load(SECRETS), yaml.safe_load(told.text)
    assert now["clusters"] == before["clusters"]
    assert now["users"][0]["user"]["client-certificate-data"] == "Q0VSVA=="
    assert "username" not in told.text  # a field that is not known to be harmless
    assert now["current-context"] == "a"


def test_a_file_that_somebody_else_changes_meanwhile_is_not_overwritten(node: Node) -> None:
    """Its sum is another one by then."""
    node.begin(CLUSTER)
    orders = node.edits(CLUSTER, State.BOTH)
    (node.root / "kubelet.conf").write_text("# by somebody else\n")
    script = texts_made(node)
    done = node.sh(script, orders)
    assert done.returncode == 1
    assert b"kubelet.conf was changed meanwhile: run it again" in done.stderr
    assert (node.root / "kubelet.conf").read_text() == "# by somebody else\n"


def texts_made(node: Node) -> str:
    """Of a control plane node that is to believe both."""
    return make(node.files(CLUSTER), CLUSTER, State.BOTH, control_plane=True)


def test_a_ca_that_is_no_base64_is_told(node: Node) -> None:
    """With the file that has it."""
    file = node.root / "kubelet.conf"
    file.write_text("clusters:\n- cluster: {certificate-authority-data: x}\n")
    node.begin(CLUSTER)
    with pytest.raises(Refused, match="kubelet.conf: its certificate-authority-data is not base64"):
        node.make(CLUSTER, State.BOTH)
    assert set(CONFIGS) >= {"kubelet.conf"}


# --- what is not there


def told_of(node: Node, authority: Authority = CLUSTER) -> list[str]:
    """What is not as a rotation needs it."""
    return [one.replace(str(node.root), "") for one in node.look(authority).problems]


def without(node: Node, pod: str, flag: str, value: str | None = None) -> None:
    """A flag is gone, or is another one."""
    file = node.manifests / f"{pod}.yaml"
    told = yaml.safe_load(file.read_text())
    container = told["spec"]["containers"][0]
    kept = [word for word in container["command"] if not word.startswith(f"--{flag}=")]
    container["command"] = [*kept, *([f"--{flag}={value}"] if value is not None else [])]
    file.write_text(yaml.safe_dump(told))


@pytest.mark.parametrize(
    ("pod", "flag", "value", "told"),
    [
        ("kube-apiserver", "client-ca-file", None, "kube-apiserver has no --client-ca-file"),
        ("kube-apiserver", "client-ca-file", "/none.crt", "/none.crt is not there"),
        (CONTROLLERS, "root-ca-file", "/other.crt", "--root-ca-file is /other.crt, kube-apiserver has /pki/ca.crt"),
        (CONTROLLERS, "client-ca-file", None, "--client-ca-file is not there, kube-apiserver has /pki/ca.crt"),
        (
            CONTROLLERS,
            "cluster-signing-cert-file",
            "/csr.crt",
            "signs with /csr.crt, neither with /pki/ca.crt nor with",
        ),
        (CONTROLLERS, "cluster-signing-key-file", "/none.key", "/none.key is not there"),
    ],
)
def test_what_names_no_file_or_another_one_is_told(
    node: Node, pod: str, flag: str, value: str | None, told: str
) -> None:
    """By its flag, with both paths: nothing is overwritten that is not understood."""
    without(node, pod, flag, value)
    assert any(told in one for one in told_of(node)), told_of(node)


def test_an_external_ca_is_a_fact(node: Node) -> None:
    """kubeadm gives empty flags then: nobody is told of a key, and that is no key that was lost."""
    for flag in ("cluster-signing-cert-file", "cluster-signing-key-file"):
        without(node, CONTROLLERS, flag, "")
    (node.pki / "ca.key").unlink()
    found = node.look(CLUSTER)
    assert (found.files.key, found.signs, found.problems) == ("", "", ())
    node.begin(CLUSTER)
    with pytest.raises(Refused, match=r"kube-controller-manager has no --cluster-signing-cert-file"):
        node.make(CLUSTER, State.BOTH)


def test_files_that_are_there_and_cannot_be_read_are_not_taken_for_absent(node: Node) -> None:
    """A damaged one, an empty one, a key of another kind."""
    (node.pki / "ca.crt").write_text("")
    (node.pki / "ca.key").write_text("nothing")
    assert told_of(node) == [
        "/pki/ca.crt has nothing in it that can be trusted",
        "/pki/ca.key has no private key that openssl reads",
    ]
    (node.pki / "ca.crt").unlink()
    (node.pki / "ca.crt").symlink_to("/none")
    assert "/pki/ca.crt is not there" in told_of(node)


def test_kubelet_has_to_read_the_same_file(node: Node) -> None:
    """Its own clients are known by it, on workers it is the only one that is."""
    node.kubelet.write_text(kubelet_config("/other"))
    assert told_of(node) == [
        "kubelet's authentication.x509.clientCAFile is /other/ca.crt, kube-apiserver has /pki/ca.crt"
    ]
    node.kubelet.write_text("authentication: {x509: {clientCAFile: pki/ca.crt}}")  # beside its configuration
    assert told_of(node) == []
    node.overrides = ({"authentication": {"x509": {"clientCAFile": "/srv/ca.crt"}}},)
    assert told_of(node) == [
        "kubelet's authentication.x509.clientCAFile is /srv/ca.crt, kube-apiserver has /pki/ca.crt"
    ]
    node.overrides = ()
    node.kubelet.write_text("a: [")
    with pytest.raises(NotYet, match=r"kubelet.yaml is not YAML"):
        told_of(node)
    for one in node.manifests.iterdir():
        one.unlink()
    node.kubelet.unlink()
    assert told_of(node) == ["kubelet's configuration has no authentication.x509.clientCAFile"]
    node.kubelet.write_text(kubelet_config(str(node.pki)))
    assert told_of(node) == []
    assert told_of(node, Authority.ETCD) == []


def test_etcd_somewhere_else_has_no_manifest_here(node: Node) -> None:
    """Then its CA is not of this node."""
    (node.manifests / "etcd.yaml").unlink()
    assert told_of(node, Authority.ETCD) == ["it has no manifest of etcd"]


def test_a_path_in_a_container_is_one_of_the_node(node: Node) -> None:
    """And the file to sign with has to be seen beside the CA."""
    inside = manifest(CONTROLLERS, "/pki")
    told = yaml.safe_load(inside)
    container = told["spec"]["containers"][0]
    file = node.manifests / f"{CONTROLLERS}.yaml"

    def mount(path: str, host: Path) -> None:
        container["volumeMounts"] = [{"name": "pki", "mountPath": path}]
        told["spec"]["volumes"] = [{"name": "pki", "hostPath": {"path": str(host)}}]
        file.write_text(yaml.safe_dump(told))

    mount("/pki", node.pki)
    assert told_of(node) == []
    node.begin(CLUSTER)
    node.make(CLUSTER, State.BOTH)
    assert "--cluster-signing-cert-file=/pki/ca-signing.crt" in file.read_text()
    assert node.look(CLUSTER).signs_by == str(node.pki / "ca-signing.crt")
    mount("/pki/ca.crt", node.pki / "ca.crt")
    assert any("could not sign with a file beside it" in one for one in told_of(node))


def test_a_flag_that_is_given_twice_is_told(node: Node) -> None:
    """API servers read several files of keys; a rotation knows of one."""
    file = node.manifests / "kube-apiserver.yaml"
    more = yaml.safe_load(file.read_text())
    more["spec"]["containers"][0]["command"].append("--service-account-key-file=/second.pub")
    file.write_text(yaml.safe_dump(more))
    assert told_of(node, Authority.SERVICE_ACCOUNTS) == ["/pki/sa.pub and /second.pub is not there"]


def test_flags_as_programs_read_them() -> None:
    """One dash for etcd, a flag without a value, words that are none, and a manifest of nobody."""
    text = "spec: {containers: [{command: [etcd, -trusted-ca-file=/a, --b, --c, d, e]}]}"
    assert [(one.name, one.value) for one in flags_in(text, "etcd")] == [("trusted-ca-file", "/a"), ("c", "d")]
    assert list(flags_in("", "etcd")) == []
    nobody = probe.Places({}, "")
    assert list(problems_of(CLUSTER, nobody, probe.files_of(CLUSTER, nobody))) == [
        "kubelet's configuration has no authentication.x509.clientCAFile"
    ]
    assert (probe.signs_by(nobody), probe.trust_in_container(nobody)) == ("", "")


def test_a_manifest_that_a_dead_run_has_taken_away_is_found(node: Node) -> None:
    """Where it is, and changed there."""
    parked = node.root.parent / "parked"
    parked.mkdir()
    (node.manifests / f"{CONTROLLERS}.yaml").rename(parked / f"{CONTROLLERS}.yaml")
    node.begin(CLUSTER)
    assert str(parked / f"{CONTROLLERS}.yaml") in node.make(CLUSTER, State.BOTH)
    assert PARKED.startswith("/etc/kubernetes/")
