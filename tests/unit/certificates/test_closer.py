"""What the programs of a node were told, and what becomes of it: files that are looked for, ports that are asked, and what is missing."""

import base64
from datetime import timedelta
from pathlib import PurePosixPath

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tasks.certificates.authority import SigningAuthority
from tasks.certificates.models.inventory import Kind, NodeCertificates, Owner
from tasks.certificates.models.kubeadm import Leaf
from tasks.certificates.models.places import Places
from tasks.certificates.probes.answer import Answer
from tasks.certificates.probes.certificates import parse
from tasks.certificates.probes.closer import files_named, kubeconfigs_named, kubeconfigs_of, ports_of, signers_named
from tasks.certificates.probes.pairs import keys_named
from tasks.core.models.shape import Pod
from tasks.core.probes.node_shape import parse as shape_of_told
from tasks.core.probes.printed import Printed
from tests.facts.certificates import FOLDER, PLACES
from tests.facts.shapes import places as looked_at
from tests.facts.shapes import printed, shape_of
from tests.facts.signed import NOW, signed

KUBELET_FILE = "/var/lib/kubelet/pki/kubelet-client-current.pem"


def in_base64(text: str | bytes) -> str:
    """In one line."""
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def manifest(pod: str, *flags: str) -> str:
    """Of a static pod, as a node tells it."""
    text = yaml.safe_dump({"spec": {"containers": [{"command": [pod, *flags]}]}})
    return f"manifest {pod} active {in_base64(text)}"


def on_disk(kind: str, path: str, text: str | bytes = b"") -> str:
    """A file that is there."""
    return f"{kind} {path} {path} 1795569937 600 0:0 {in_base64(text)}"


def answer(*lines: str) -> Answer:
    """Of a node."""
    return Answer("cp1", Printed.of("\n".join(lines).encode()), PLACES, NOW)


def with_kubelet(configuration: str, more: str = "") -> Places:
    """Of a worker node with this kubelet."""
    return PLACES.model_copy(update={"shape": shape_of(pods={}, config=configuration, more=more)})


def node(*lines: str) -> NodeCertificates:
    """What it is once all that is parsed."""
    return parse("cp1", "\n".join(lines).encode(), PLACES, now=NOW)


def kubeconfig(**user: str) -> str:
    """Of one user."""
    return yaml.safe_dump({"users": [{"name": "u", "user": user}]})


def missing(*lines: str) -> dict[str, str]:
    """Path to why it is missing."""
    return {one.path: one.problem for one in node(*lines).certificates if one.absent}


def test_ports_are_those_that_programs_were_told() -> None:
    """Port 0 is none; what is no port, or no URL, is told, and the program's default is asked."""
    lines = [
        manifest(
            "etcd", "--listen-client-urls=https://10.0.0.1:12379,https://[::1", "--listen-metrics-urls=http://x:1"
        ),
        manifest("kube-controller-manager", "--secure-port=0"),
        manifest("kube-scheduler", "--secure-port=https"),
        *(f"process {name} 1795569971.91" for name in ("etcd", "kube-controller-manager", "kube-scheduler")),
    ]
    asked = {(name, port) for name, port, _ in ports_of(answer(*lines), 6443)}
    assert asked == {("etcd", 12379), ("etcd", 2380), ("kube-scheduler", 10259)}
    [url, port] = node(*lines).problems
    assert url.startswith("etcd's --listen-client-urls: ")
    assert port == "--secure-port=https of kube-scheduler is no port"


@pytest.mark.parametrize(
    ("configuration", "key"),
    [
        ("tlsCertFile: /etc/ssl/kubelet.crt", "/etc/ssl/kubelet.key"),
        ("tlsCertFile: /etc/ssl/kubelet.crt\ntlsPrivateKeyFile: /etc/ssl/private/k.pem", "/etc/ssl/private/k.pem"),
        ("tlsCertFile: /etc/ssl/both.pem", "/etc/ssl/both.pem"),
    ],
)
def test_a_kubelets_own_file_is_looked_for_with_its_key(configuration: str, key: str) -> None:
    """As its configuration names them; a file of both has its key inside."""
    found = dict(files_named(Answer("cp1", Printed.of(b""), with_kubelet(configuration), NOW)))
    assert found[configuration.splitlines()[0].removeprefix("tlsCertFile: ")] == key


def test_a_drop_in_of_the_kubelet_wins_over_its_configuration() -> None:
    """Which file it serves, whether it asks the API for it, and whose clients it knows. A path may be relative to its folder."""
    drop_in = "kind: KubeletConfiguration\nserverTLSBootstrap: false\ntlsCertFile: pki/k.crt"
    clients = "kind: KubeletConfiguration\nauthentication: {x509: {clientCAFile: /srv/pki/ca.crt}}"
    more = f"dropin /d/1.conf {in_base64(drop_in)}\ndropin /d/2.conf {in_base64(clients)}"
    seen = Answer("w1", Printed.of(b""), with_kubelet("serverTLSBootstrap: true", more), NOW)
    assert (seen.kubelet.asks_for_serving, seen.kubelet.serving_file) == (False, "/var/lib/kubelet/pki/k.crt")
    assert str(seen.pki) == "/srv/pki"
    assert "/var/lib/kubelet/pki/k.crt" in dict(files_named(seen))


def test_a_kubelet_without_a_configuration_is_told() -> None:
    """Where it listens and what it serves is not known then."""
    file = "/var/lib/kubelet/config.yaml"
    shape = shape_of_told("w1", printed(config=None, pods={}, more=f"absent {file}"), looked_at())
    [problem] = parse("w1", b"", PLACES.model_copy(update={"shape": shape}), now=NOW).problems
    assert problem == f"the kubelet's configuration: {file} is not there: the kubelet's defaults are assumed"


def test_a_port_that_presents_nothing_is_told_with_the_file_that_it_was_to_serve() -> None:
    """Each place that was asked is in the reason."""
    file = f"{FOLDER}/pki/etcd/server.crt"
    found = node(
        manifest("etcd", f"--cert-file={file}", "--listen-client-urls=https://[::1]:2379"),
        "process etcd 1795569971.91 3f1c",
        "silent etcd 2379 [::1]:2379:%20Connection%20refused;",
    ).served
    assert [(one.name, one.port, one.path, one.certificate) for one in found] == [("etcd", 2379, file, None)]
    assert found[0].problem == "it presents no certificate: [::1]:2379: Connection refused"
    assert found[0].process
    assert found[0].process.container == "3f1c"


def test_a_file_that_a_flag_names_and_that_is_not_there_is_told_with_the_flag() -> None:
    """kubeadm does not make it; in the place of a leaf of kubeadm's the static pod reads it."""
    lines = [
        manifest("kube-apiserver", "--oidc-ca-file=/etc/ssl/oidc.crt", "--tls-cert-file=/etc/ssl/api.crt"),
        "absent /etc/ssl/oidc.crt it%20is%20not%20there",
        "absent /etc/ssl/other.crt it%20is%20not%20there",
    ]
    found = missing(*lines)
    assert found["/etc/ssl/oidc.crt"] == "it is not there, and --oidc-ca-file of kube-apiserver names it"
    assert "/etc/ssl/other.crt" not in found
    assert f"{FOLDER}/pki/apiserver.crt" not in found
    assert found[f"{FOLDER}/pki/front-proxy-client.crt"] == "it is not there"


def test_a_kubelets_certificate_that_its_kubeconfig_names_and_that_is_not_there_is_told() -> None:
    """The kubelet cannot ask for another one by it."""
    config = on_disk("kubeconfig", f"{FOLDER}/kubelet.conf", kubeconfig(**{"client-certificate": KUBELET_FILE}))
    found = node(config, f"absent {KUBELET_FILE} it%20is%20not%20there")
    told = found.named("kubelet-client")
    assert told
    assert told.problem == f"it is not there, and {FOLDER}/kubelet.conf names it"
    assert missing(config) == {}


def test_a_kubeconfig_that_could_not_be_parsed_is_a_leaf_that_is_not_known() -> None:
    """It is there, and nothing says when it ends."""
    path = f"{FOLDER}/scheduler.conf"
    pod = manifest("kube-scheduler", f"--kubeconfig={path}")
    assert missing(pod, on_disk("kubeconfig", path)) == {path: "it could not be parsed"}
    why = missing(pod, on_disk("kubeconfig", path), f"unread {path} kubectl%20does%20not%20read%20it")
    assert why == {path: "kubectl does not read it"}


@pytest.mark.parametrize(
    ("user", "named"), [({"token": "hidden"}, ""), ({"client-certificate": "/x.pem"}, ": it names /x.pem")]
)
def test_a_kubeconfig_without_a_certificate_is_a_leaf_that_is_not_known(user: dict[str, str], named: str) -> None:
    """kubeadm would not renew it, and nothing here sees it expire."""
    path = f"{FOLDER}/scheduler.conf"
    pod = manifest("kube-scheduler", f"--kubeconfig={path}")
    why = f"no client certificate is in it{named}, so when it expires is not known"
    assert missing(pod, on_disk("kubeconfig", path, kubeconfig(**user))) == {path: why}


def test_a_user_without_a_key_has_none_that_fits() -> None:
    """Whether the pair is whole is not known: it is not said to be."""
    certificate = signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    inside = {"client-certificate-data": in_base64(certificate)}
    pairs, problems = {}, {}
    hidden = {"client-key-data": "xxxx"}
    public = f"public_halves {FOLDER}/admin.conf -"
    for name, user, lines in (("none", inside, ()), ("unread", inside | hidden, (public,))):
        found = node(on_disk("kubeconfig", f"{FOLDER}/admin.conf", kubeconfig(**user)), *lines).named("admin.conf")
        assert found
        pairs[name], problems[name] = found.pair, found.key_problem
    assert pairs == {"none": None, "unread": None}
    assert problems == {"none": "no client-key-data is beside it", "unread": ""}
    unread = on_disk("kubeconfig", f"{FOLDER}/admin.conf", kubeconfig(**inside | hidden))
    told = node("has openssl", unread, public).named("admin.conf")
    assert told
    assert told.key_problem == "openssl does not read its client-key-data"


def test_the_key_that_a_flag_names_is_the_one_that_has_to_be_there() -> None:
    """Not the one beside the certificate, which nobody reads; without openssl only an absence is known."""
    path = f"{FOLDER}/pki/apiserver.crt"
    text = signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    there, away = f"key {path} {in_base64(b'x')}", f"no_key {path} /k.pem it%20is%20not%20there"
    problems = []
    for lines in ((there, away), (away, there), (), (f"key {path} ",), ("has openssl", f"key {path} ")):
        found = node(on_disk("certificate", path, text), *lines).named("apiserver")
        assert found
        problems.append((found.key_problem, found.pair))
    assert problems == [
        ("its key /k.pem: it is not there", None),
        ("", False),
        ("its key is not there", None),
        ("", None),
        ("openssl does not read its key", None),
    ]


def signed_by_the_cluster() -> tuple[str, str]:
    """A CA, and a certificate for `api.example` by it, both as PEM."""
    authority = SigningAuthority.made("kubernetes", NOW, timedelta(days=100))
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, hashes.SHA256())
    leaf = Leaf(name="sni", authority="ca", path="", common_name="api.example", server=True)
    pem = authority.sign(leaf, request.public_bytes(Encoding.PEM), NOW, timedelta(days=20))
    return authority.certificate.decode(), pem.decode()


def test_certificates_for_certain_names_are_seen_each_with_its_key() -> None:
    """`--tls-sni-cert-key` may be given several times; kubeadm makes none of them."""
    pod = manifest(
        "kube-apiserver",
        f"--client-ca-file={FOLDER}/pki/ca.crt",
        "--tls-sni-cert-key=/sni/a.crt,/sni/a.key",
        "--tls-sni-cert-key",
        " /sni/b.pem , /sni/b.pem:*.b.example,b.example",
        "--tls-sni-cert-key=/sni/c.crt:c.example",
        "--tls-sni-cert-key=/sni/gone.crt,/sni/gone.key",
    )
    assert set(files_named(answer(pod))) >= {("/sni/a.crt", "/sni/a.key"), ("/sni/b.pem", "/sni/b.pem")}
    ca, own = signed_by_the_cluster()
    strange = signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    found = node(
        pod,
        on_disk("certificate", f"{FOLDER}/pki/ca.crt", ca),
        on_disk("certificate", "/sni/a.crt", own),
        "no_key /sni/a.crt /sni/a.key it%20is%20not%20there",
        on_disk("certificate", "/sni/b.pem", strange),
        on_disk("certificate", f"{FOLDER}/pki/else.crt", strange),
        "absent /sni/gone.crt it%20is%20not%20there",
    )
    by_path = {one.path: one for one in found.certificates}
    first, second, stray = (by_path[path] for path in ("/sni/a.crt", "/sni/b.pem", f"{FOLDER}/pki/else.crt"))
    assert (first.owner, first.named_by) == (Owner.OTHER, "--tls-sni-cert-key of kube-apiserver")
    assert (first.authority, first.signed) == (f"{FOLDER}/pki/ca.crt", True)
    assert first.signer == by_path[f"{FOLDER}/pki/ca.crt"].fingerprint
    assert first.key_problem == "its key /sni/a.key: it is not there"
    assert first.days_left == 20
    assert (second.owner, second.kind, second.signed, second.key_problem) == (
        Owner.OTHER,
        Kind.SERVING,
        None,
        "its key is not there",
    )
    assert (stray.owner, stray.named_by, stray.is_others) == (Owner.OTHER, "", False)
    assert by_path[f"{FOLDER}/pki/ca.crt"].owner is Owner.KUBEADM
    assert by_path["/sni/gone.crt"].problem == "it is not there, and --tls-sni-cert-key of kube-apiserver names it"
    [problem] = found.problems
    assert problem.startswith("kube-apiserver: --tls-sni-cert-key: '/sni/c.crt:c.example' is not CERTIFICATE,KEY")


def test_each_key_that_checks_tokens_is_looked_at() -> None:
    """The flag may be given several times; the first one counts as much as the last."""
    pod = manifest("kube-apiserver", "--service-account-key-file=/a.pub", "--service-account-key-file=/b.pub")
    assert {path for path, which in signers_named(answer(pod)).items() if which == "public"} >= {"/a.pub", "/b.pub"}


def test_the_kubeconfig_of_a_schedulers_configuration_is_looked_at() -> None:
    """It is none of kubeadm's, which nobody reads then; the flag beside it is ignored by the program."""
    pod = manifest("kube-scheduler", "--config=/x.yaml", f"--kubeconfig={FOLDER}/scheduler.conf")
    scheduler = Pod(kubeconfig=PurePosixPath("/srv/asks-by.conf"), config_problem="a problem")
    shape = PLACES.shape.model_copy(update={"pods": {"kube-scheduler": scheduler}})
    told = PLACES.model_copy(update={"shape": shape})
    assert "/srv/asks-by.conf" in kubeconfigs_of(Answer("cp1", Printed.of(pod.encode()), told, NOW), ())
    certificate = signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    inside = kubeconfig(**{"client-certificate-data": in_base64(certificate), "client-key-data": "xxxx"})
    public = f"public_halves /srv/asks-by.conf {in_base64('x')}"
    lines = (pod, on_disk("kubeconfig", "/srv/asks-by.conf", inside), public)
    found = parse("cp1", "\n".join(lines).encode(), told, now=NOW)
    [one] = found.certificates
    assert (one.path, one.owner, one.named_by) == (
        "/srv/asks-by.conf",
        Owner.OTHER,
        "the configuration of kube-scheduler",
    )
    assert one.is_others
    assert found.problems == ("kube-scheduler: a problem",)
    gone = f"{pod}\nabsent /srv/asks-by.conf it%20is%20not%20there".encode()
    [missed] = parse("cp1", gone, told, now=NOW).certificates
    assert missed.problem == "it is not there, and the configuration of kube-scheduler names it"


def test_kubeconfigs_by_which_controllers_check_their_callers_are_looked_at() -> None:
    """Each flag has one; those that are kubeadm's are there once."""
    pod = manifest(
        "kube-controller-manager",
        f"--kubeconfig={FOLDER}/controller-manager.conf",
        "--authentication-kubeconfig=/a.conf",
        f"--authorization-kubeconfig={FOLDER}/controller-manager.conf",
    )
    assert kubeconfigs_named(answer(pod)) == {
        f"{FOLDER}/controller-manager.conf": "--kubeconfig of kube-controller-manager",
        "/a.conf": "--authentication-kubeconfig of kube-controller-manager",
    }


@pytest.mark.parametrize(
    ("certificate", "key", "is_split"),
    [
        (f"{FOLDER}/pki/apiserver.crt", f"{FOLDER}/pki/apiserver.key", False),
        ("/srv/api.crt", "/srv/api.key", False),
        (f"{FOLDER}/pki/apiserver.crt", "/srv/api.key", True),
        ("/srv/api.crt", f"{FOLDER}/pki/apiserver.key", True),
        (f"{FOLDER}/pki/apiserver.crt", "/link/apiserver.key", False),
        (f"{FOLDER}/pki/apiserver.crt", "", False),
    ],
)
def test_a_pair_of_which_one_half_is_kubeadms_is_told(certificate: str, key: str, *, is_split: bool) -> None:
    """kubeadm renews both halves in its own place; a link to its folder is that place."""
    flags = [f"--tls-cert-file={certificate}", *([f"--tls-private-key-file={key}"] if key else [])]
    pod = manifest("kube-apiserver", f"--client-ca-file={FOLDER}/pki/ca.crt", *flags)
    own = f"{FOLDER}/pki/apiserver.key"
    told = (pod, f"real {own} {own}", f"real /link/apiserver.key {own}")
    assert set(keys_named(answer(pod))) == ({key, own} if key else set())
    why = (
        f"kube-apiserver has --tls-cert-file {certificate} with --tls-private-key-file {key}, and kubeadm renews "
        f"{FOLDER}/pki/apiserver.crt together with {own}"
    )
    assert node(*told).split_pairs == ({"apiserver": why} if is_split else {})


def test_pairs_of_etcd_and_of_clients_are_looked_at_too() -> None:
    """The member's two, and those by which the API server asks etcd, kubelets and extensions."""
    pki = f"{FOLDER}/pki"
    api = manifest(
        "kube-apiserver",
        f"--client-ca-file={pki}/ca.crt",
        f"--etcd-certfile={pki}/apiserver-etcd-client.crt",
        "--etcd-keyfile=/srv/1.key",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        "--kubelet-client-key=/srv/2.key",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        "--proxy-client-key-file=/srv/3.key",
    )
    etcd = manifest(
        "etcd",
        f"--cert-file={pki}/etcd/server.crt",
        "--key-file=/srv/4.key",
        "--peer-cert-file=/srv/peer.crt",
        f"--peer-key-file={pki}/etcd/peer.key",
    )
    expected = {"apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client", "etcd-server", "etcd-peer"}
    assert set(node(api, etcd).split_pairs) == expected
