"""Ways around authentication and authorization: flags of API servers, and the configuration of kubelets."""

import pytest

from tasks.access.models.audit import Severity
from tasks.access.models.logins import ApiServer, Kubelet, Logins
from tasks.access.policy.logins import RULES, find_logins, flags_of, not_decided
from tasks.access.probes.kubelets import configuration_of, parse_kubelet
from tasks.core.errors import NotYet
from tasks.core.probes.pod_shape import pod_in

GOOD = {
    "authorization-mode": "Node,RBAC",
    "enable-admission-plugins": "NodeRestriction",
    "audit-policy-file": "/etc/kubernetes/audit.yaml",
    "encryption-provider-config": "/etc/kubernetes/encryption.yaml",
    "anonymous-auth": "false",
    "profiling": "false",
    "kubelet-certificate-authority": "/etc/kubernetes/pki/kubelet-ca.crt",
}


def found(flags: dict[str, str], *others: dict[str, str]) -> dict[str, str]:
    """The evidence of each finding about these API servers."""
    servers = tuple(ApiServer(node=f"cp{number}", flags=one) for number, one in enumerate((flags, *others), 1))
    return {one.id: f"{one.subject}: {one.evidence}" for one in find_logins(Logins(servers=servers))}


def without(*names: str) -> dict[str, str]:
    """Good flags, but for some."""
    return {name: value for name, value in GOOD.items() if name not in names}


def test_an_api_server_with_all_of_it_has_no_finding() -> None:
    """None of the rules."""
    assert found(GOOD) == {}
    assert len(RULES) == len({one.check for one in RULES})


@pytest.mark.parametrize(
    ("flags", "check", "evidence"),
    [
        (without("authorization-mode"), "api-asks-nobody", "cp1: no --authorization-mode"),
        (
            GOOD | {"authorization-mode": "AlwaysAllow,Node"},
            "api-asks-nobody",
            "cp1: --authorization-mode=AlwaysAllow,Node",
        ),
        (GOOD | {"token-auth-file": "/t.csv"}, "api-static-tokens", "cp1: --token-auth-file=/t.csv"),
        (GOOD | {"basic-auth-file": "/b.csv"}, "api-static-passwords", "cp1: --basic-auth-file=/b.csv"),
        (GOOD | {"authorization-mode": "Node,RBAC,ABAC"}, "api-abac", "cp1: --authorization-mode=Node,RBAC,ABAC"),
        (GOOD | {"authorization-mode": "RBAC"}, "api-nodes-free", "cp1: no authorization mode Node"),
        (without("enable-admission-plugins"), "api-nodes-free", "cp1: no admission plugin NodeRestriction"),
        (without("audit-policy-file"), "api-no-audit-log", "cp1: no --audit-policy-file"),
        (without("encryption-provider-config"), "api-no-encryption", "cp1: no --encryption-provider-config"),
        (without("anonymous-auth"), "api-anonymous", "cp1: --anonymous-auth=true"),
        (without("profiling"), "api-profiling", "cp1: --profiling=true"),
        (GOOD | {"profiling": "True"}, "api-profiling", "cp1: --profiling=True"),
        (
            without("kubelet-certificate-authority"),
            "api-trusts-kubelets",
            "cp1: no --kubelet-certificate-authority",
        ),
    ],
)
def test_a_flag_and_the_absence_of_one_are_findings(flags: dict[str, str], check: str, evidence: str) -> None:
    """With what each node shows."""
    assert found(flags)[check] == f"kube-apiserver: {evidence}"


def test_values_of_a_list_that_is_given_twice_add_up() -> None:
    """As the API server reads them: the first of two modes still allows everything."""
    manifest = """\
spec:
  containers:
    - name: kube-apiserver
      image: registry.k8s.io/kube-apiserver:v1.37.2
      command: [kube-apiserver, --authorization-mode=AlwaysAllow, --authorization-mode=RBAC, --profiling=true, --profiling=false]
"""
    flags = flags_of(pod_in(manifest, parked=False))
    assert (flags["authorization-mode"], flags["profiling"]) == ("AlwaysAllow,RBAC", "false")
    assert "api-asks-nobody" in found(flags)
    assert "api-profiling" not in found(flags)


def test_one_finding_has_all_nodes_that_show_it() -> None:
    """One that only some show names them."""
    bad = without("profiling")
    assert found(bad, bad)["api-profiling"] == "kube-apiserver: cp1: --profiling=true, cp2: --profiling=true"
    assert found(GOOD, bad)["api-profiling"] == "kube-apiserver on cp2: cp2: --profiling=true"


def test_what_a_file_decides_is_not_judged_and_said() -> None:
    """Authorizers and anonymous requests may be configured in a file that the audit does not read."""
    files = {"authorization-config": "/a.yaml", "authentication-config": "/b.yaml"}
    flags = without("authorization-mode", "anonymous-auth") | files
    assert found(flags) == {}
    assert not_decided([ApiServer(node="cp1", flags=flags), ApiServer(node="cp2", flags=GOOD)]) == (
        "cp1: --authorization-config=/a.yaml was not read: who may do what also depends on other authorizers",
        "cp1: --authentication-config=/b.yaml was not read: whether anonymous requests are answered",
    )


def test_an_open_kubelet_is_a_finding_of_severity_high() -> None:
    """By any of three ways."""
    closed = Kubelet(node="w1", anonymous=False, mode="Webhook", read_only_port=0)
    opened = Kubelet(node="w2", anonymous=True, mode="AlwaysAllow", read_only_port=10255)
    (finding,) = find_logins(Logins(kubelets=(closed, opened)))
    assert (finding.id, finding.severity) == ("kubelet-open:w2", Severity.HIGH)
    assert finding.evidence == (
        "anonymous requests are answered (authentication.anonymous); every request is allowed "
        "(authorization.mode: AlwaysAllow); the read-only port 10255 needs no credential"
    )


def test_the_configuration_of_a_kubelet_is_what_it_runs_with() -> None:
    """What it does not say is no health: only the port is left out if there is none."""
    told = {"authentication": {"anonymous": {"enabled": False}}, "authorization": {"mode": "Webhook"}}
    assert configuration_of("w1") == "/api/v1/nodes/w1/proxy/configz"
    assert parse_kubelet("w1", {"kubeletconfig": told}) == Kubelet(
        node="w1", anonymous=False, mode="Webhook", read_only_port=0
    )
    with pytest.raises(NotYet, match=r"the kubelet on w1 could not be parsed: kubeletconfig\.authorization"):
        parse_kubelet("w1", {"kubeletconfig": {"authentication": told["authentication"]}})
