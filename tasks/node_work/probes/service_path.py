"""Whether a Service answers on a node."""

import shlex


def ask_service_path(kubernetes_ip: str, port: int, dns_ip: str) -> str:
    """Prints `api STATUS` and `dns ANSWERS`: what the ClusterIPs of `kubernetes` and `kube-dns` say to this very node.

    The name is put to the DNS service by UDP, as pods do: `kubernetes.default.svc.cluster.local`, type A.
    """
    query = (
        "\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x0akubernetes\\x07default\\x03svc\\x07cluster\\x05local"
        "\\x00\\x00\\x01\\x00\\x01"
    )
    # bash writes line by line, and a datagram has to be written at once: the length of the first label is a line's end.
    whole = "dd bs=512 iflag=fullblock status=none"
    exchange = f"exec 3<>/dev/udp/{dns_ip}/53; printf '{query}' | {whole} >&3; timeout 3 dd bs=512 count=1 status=none <&3 | od -An -v -tx1"
    return f"""echo "api $(curl --insecure --silent --max-time 5 --output /dev/null --write-out '%{{http_code}}' https://{kubernetes_ip}:{port}/readyz)"
[ -z "{dns_ip}" ] || echo "dns $(bash -c {shlex.quote(exchange)} 2> /dev/null | tr -d '\\n')"
"""


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
