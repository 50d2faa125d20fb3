"""Whether a Service answers on a node."""

from tasks.core.shell import script

DNS_PORT = 53


def ask_service_path(kubernetes_ip: str, port: int, dns_ip: str, *, dns_port: int = DNS_PORT) -> str:
    """Prints `api STATUS` and `dns ANSWER`: what the ClusterIPs of `kubernetes` and `kube-dns` say to this very node."""
    return script(__file__, "service_path", kubernetes_ip=kubernetes_ip, port=port, dns_ip=dns_ip, dns_port=dns_port)


def what_service_path_lacks(stdout: bytes, *, dns: bool) -> dict[str, str]:
    """Of what `ask_service_path` printed: Service to what is wrong with it; empty when both answer."""
    told = dict(line.partition(" ")[::2] for line in stdout.decode(errors="replace").splitlines())
    problems = {}
    if told.get("api", "").strip() != "200":
        problems["kubernetes"] = f"the Service `kubernetes` answers {told.get('api', '').strip() or 'nothing'}"
    if dns and not _is_dns_answer(told.get("dns", "")):
        problems["kube-dns"] = "the Service `kube-dns` does not resolve kubernetes.default.svc.cluster.local"
    return problems


def _is_dns_answer(text: str) -> bool:
    """No error, and at least one record."""
    octets = text.split()
    return len(octets) > 12 and octets[3][-1] == "0" and "".join(octets[6:8]) != "0000"  # noqa: PLR2004 - a header's length
