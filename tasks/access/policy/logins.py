"""Finds ways around authentication and authorization, from the flags of API servers and the configuration of kubelets.

A flag that is not there has a meaning, too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from tasks.access.models.audit import Finding, Severity
from tasks.access.models.logins import ApiServer, Kubelet, Logins
from tasks.core.models.findings import listed
from tasks.core.models.shape import Pod

Flags = Mapping[str, str]

LISTS = ("authorization-mode", "enable-admission-plugins")
"""Names the flags that are lists, as far as they are read here."""

APPLY = "then run `kubeadm init phase control-plane apiserver` with it on each control plane node, one by one"


class Rule(NamedTuple):
    """Says what is wrong with an API server, how it shows, and how kubeadm's configuration changes it."""

    check: str
    severity: Severity
    shows: Callable[[Flags], str]
    """It returns what was seen; empty if nothing is wrong."""
    problem: str
    fix: str


def _given(name: str) -> Callable[[Flags], str]:
    return lambda flags: f"--{name}={flags[name]}" if name in flags else ""


def _missing(*names: str) -> Callable[[Flags], str]:
    return lambda flags: "" if any(flags.get(name) for name in names) else f"no --{names[0]}"


def _not_false(name: str) -> Callable[[Flags], str]:
    return lambda flags: "" if flags.get(name, "").lower() == "false" else f"--{name}={flags.get(name, 'true')}"


def _modes(flags: Flags) -> tuple[str, ...]:
    return tuple(flags.get("authorization-mode", "AlwaysAllow").split(","))


def _asks_nobody(flags: Flags) -> str:
    if flags.get("authorization-config") or "AlwaysAllow" not in _modes(flags):
        return ""
    return (
        f"--authorization-mode={flags['authorization-mode']}"
        if "authorization-mode" in flags
        else "no --authorization-mode"
    )


def _by_attributes(flags: Flags) -> str:
    return f"--authorization-mode={flags['authorization-mode']}" if "ABAC" in _modes(flags) else ""


def _nodes_free(flags: Flags) -> str:
    modes, plugins = _modes(flags), flags.get("enable-admission-plugins", "").split(",")
    found = [] if flags.get("authorization-config") or "Node" in modes else ["no authorization mode Node"]
    found += [] if "NodeRestriction" in plugins else ["no admission plugin NodeRestriction"]
    return " and ".join(found)


def _anonymous(flags: Flags) -> str:
    return "" if flags.get("authentication-config") else _not_false("anonymous-auth")(flags)


def _remove(name: str) -> str:
    return f"give each of its users another credential, remove {name} from apiServer.extraArgs of kubeadm's ClusterConfiguration, {APPLY}"


def _add(name: str, value: str) -> str:
    return f"add {{name: {name}, value: {value}}} to apiServer.extraArgs of kubeadm's ClusterConfiguration, {APPLY}"


RULES = (
    Rule(
        "api-asks-nobody",
        Severity.HIGH,
        _asks_nobody,
        "it allows every request of everybody who can log in (AlwaysAllow)",
        _add("authorization-mode", '"Node,RBAC"'),
    ),
    Rule(
        "api-static-tokens",
        Severity.HIGH,
        _given("token-auth-file"),
        "its static tokens never expire, and only a restart takes one back",
        _remove("token-auth-file"),
    ),
    Rule(
        "api-static-passwords",
        Severity.HIGH,
        _given("basic-auth-file"),
        "its static passwords never expire; an API server since 1.19 does not start with this flag",
        _remove("basic-auth-file"),
    ),
    Rule(
        "api-abac",
        Severity.MEDIUM,
        _by_attributes,
        "a file on the node gives rights (ABAC): no object shows them, and only a restart changes them",
        f"give these rights by RBAC, remove ABAC from authorization-mode of kubeadm's ClusterConfiguration, {APPLY}",
    ),
    Rule(
        "api-nodes-free",
        Severity.MEDIUM,
        _nodes_free,
        "a kubelet may change other nodes, or read Secrets of their pods",
        f"set authorization-mode to Node,RBAC and enable-admission-plugins to NodeRestriction in kubeadm's ClusterConfiguration, {APPLY}",
    ),
    Rule(
        "api-no-audit-log",
        Severity.MEDIUM,
        _missing("audit-policy-file"),
        "it writes no audit log: nobody can find out who did what",
        _add("audit-policy-file", "FILE") + "; apiServer.extraVolumes mounts the file and the folder of the log",
    ),
    Rule(
        "api-no-encryption",
        Severity.MEDIUM,
        _missing("encryption-provider-config"),
        "Secrets are in etcd and in its backups as they are",
        _add("encryption-provider-config", "FILE")
        + "; apiServer.extraVolumes mounts the file; then write all Secrets again",
    ),
    Rule(
        "api-anonymous",
        Severity.LOW,
        _anonymous,
        "it answers requests without a credential; what they may do, bindings of system:unauthenticated say",
        _add("authentication-config", "FILE") + ", with anonymous requests for /livez, /readyz and /healthz alone",
    ),
    Rule(
        "api-profiling",
        Severity.LOW,
        _not_false("profiling"),
        "its profiles show what it works on, to those who may get /debug/pprof",
        _add("profiling", '"false"'),
    ),
    Rule(
        "api-trusts-kubelets",
        Severity.LOW,
        _missing("kubelet-certificate-authority"),
        "it does not check the certificates of kubelets: who answers in the place of one sees what exec and logs carry",
        "let the kubelets ask for serving certificates (serverTLSBootstrap), approve these, then "
        + _add("kubelet-certificate-authority", "FILE"),
    ),
)


def flags_of(pod: Pod) -> dict[str, str]:
    """Returns the flags of an API server. If a flag is a list and is given twice, it adds the values up; else the last one counts."""
    lists = {name: ",".join(pod.repeated[name]) for name in LISTS if name in pod.repeated}
    return pod.flags | lists


def find_logins(logins: Logins) -> Iterator[Finding]:
    """Yields what is wrong with API servers and kubelets: once for all nodes, with what each of them shows."""
    for rule in RULES:
        shown = {one.node: said for one in logins.servers if (said := rule.shows(one.flags))}
        if shown:
            yield _of_servers(rule, logins.servers, shown)
    yield from _of_kubelets(logins.kubelets)


def not_decided(servers: Iterable[ApiServer]) -> tuple[str, ...]:
    """Returns what a file decides that the audit does not read."""
    files = {
        "authorization-config": "who may do what also depends on other authorizers",
        "authentication-config": "whether anonymous requests are answered",
    }
    return tuple(
        f"{one.node}: --{flag}={one.flags[flag]} was not read: {decides}"
        for one in servers
        for flag, decides in files.items()
        if one.flags.get(flag)
    )


def _of_servers(rule: Rule, servers: Iterable[ApiServer], shown: Mapping[str, str]) -> Finding:
    return Finding(
        id=rule.check,
        check=rule.check,
        severity=rule.severity,
        subject="kube-apiserver" if len(shown) == len(tuple(servers)) else f"kube-apiserver on {', '.join(shown)}",
        problem=rule.problem,
        evidence=listed([f"{node}: {said}" for node, said in shown.items()]),
        fix=rule.fix,
    )


def _of_kubelets(kubelets: Iterable[Kubelet]) -> Iterator[Finding]:
    for one in kubelets:
        wrong = ["anonymous requests are answered (authentication.anonymous)"] if one.anonymous else []
        wrong += ["every request is allowed (authorization.mode: AlwaysAllow)"] if one.mode == "AlwaysAllow" else []
        wrong += [f"the read-only port {one.read_only_port} needs no credential"] if one.read_only_port else []
        if wrong:
            yield Finding(
                id=f"kubelet-open:{one.node}",
                check="kubelet-open",
                severity=Severity.HIGH,
                subject=f"kubelet on {one.node}",
                problem="it tells or does what others ask without asking the API",
                evidence="; ".join(wrong),
                fix="in its KubeletConfiguration, and in kube-system/kubelet-config, set authentication.anonymous.enabled: false, "
                "authorization.mode: Webhook, readOnlyPort: 0; then restart it",
            )
