"""Checks if the Services of the API and of DNS answer on a node.

It asks the cluster's own addresses and domain, in each address family.
"""

import struct
from collections.abc import Iterable

from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.node_work.models.health import NodeDns, Services

DNS_PORT = 53

RECORDS = {"A": (0x1234, 1), "AAAA": (0x1236, 28)}
"""Maps a kind of DNS record to its query id and its type number. The id identifies the answer to the query."""

CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
HEADER = 12
"""This is the size of the header of a DNS message, in octets."""


def ask_service_path(services: Services, dns: NodeDns, *, dns_port: int = DNS_PORT) -> str:
    """Returns the script that asks the API and DNS from the node itself.

    It asks the API at each of its ClusterIPs, and each address of DNS for the API's name.
    """
    return script(
        __file__,
        "service_path",
        api_ips=services.kubernetes,
        port=services.port,
        dns_ips=addresses_of(services, dns),
        dns_port=dns_port,
        queries=tuple(_query(name_of_api(dns), kind).hex() for kind in _kinds(services.kubernetes)),
    )


def what_service_path_lacks(stdout: bytes, services: Services, dns: NodeDns) -> dict[str, str]:
    """Returns what is wrong in the output of `ask_service_path`, by Service.

    It is empty when all addresses answer. A Service with one address is called by its name. A Service with
    several addresses is called by name and address, because each address is one proof.
    """
    told = Printed.of(stdout)
    said = dict(told.pairs("api"))
    problems = {}
    for ip in services.kubernetes:
        if (status := said.get(ip, "").strip()) != "200":
            name = _named("kubernetes", ip, services.kubernetes)
            problems[name] = f"the Service `kubernetes` ({ip}) answers {status or 'nothing'}"
    answers = {(ip, one): answer for ip, rest in told.pairs("dns") for one, _, answer in [rest.partition(" ")]}
    for ip in addresses_of(services, dns):
        wrong = [
            _what_dns_lacks(answers.get((ip, f"{RECORDS[kind][0]:04x}"), ""), kind)
            for kind in _kinds(services.kubernetes)
        ]
        if told_wrong := "; ".join(one for one in wrong if one):
            server = "kube-dns" if ip in services.dns else "clusterDNS"
            of = _named(server, ip, services.dns) if ip in services.dns else f"clusterDNS at {ip}"
            whose = "the Service `kube-dns`" if ip in services.dns else "the clusterDNS of its kubelet"
            problems[of] = f"{whose} ({ip}) does not resolve {name_of_api(dns)}: {told_wrong}"
    if not addresses_of(services, dns):
        problems["DNS"] = (
            "no address of the cluster's DNS is known: there is no Service kube-system/kube-dns, and its kubelet has no clusterDNS"
        )
    return problems


def addresses_of(services: Services, dns: NodeDns) -> tuple[str, ...]:
    """Returns the DNS addresses of the Service, and those that the pods of the node must ask."""
    return tuple(dict.fromkeys((*services.dns, *dns.servers)))


def name_of_api(dns: NodeDns) -> str:
    """Returns the name by which pods know the API."""
    return f"kubernetes.default.svc.{dns.domain}".rstrip(".")


def _named(name: str, ip: str, of: tuple[str, ...]) -> str:
    return name if len(of) == 1 else f"{name} at {ip}"


def _kinds(addresses: Iterable[str]) -> tuple[str, ...]:
    """Returns the kinds of DNS records that the address families of these addresses need."""
    return tuple(dict.fromkeys("AAAA" if ":" in ip else "A" for ip in addresses))


def _query(name: str, kind: str) -> bytes:
    """Builds a DNS query with one question and with recursion desired, as a resolver sends it."""
    number, record = RECORDS[kind]
    labels = b"".join(bytes([len(one)]) + one for one in (part.encode() for part in name.split(".")))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", record, 1)


def _what_dns_lacks(text: str, kind: str) -> str:
    """Returns what is wrong with an answer.

    It is empty for an answer to this query, without an error and with a record.
    """
    try:
        answer = bytes.fromhex(text)
    except ValueError:
        answer = b""
    if len(answer) <= HEADER:
        return "no answer"
    number, flags, _, records = struct.unpack(">HHHH", answer[:8])
    if number != RECORDS[kind][0]:
        return "an answer to another question"
    if code := flags & 0xF:
        return f"it answers {CODES.get(code, f'code {code}')}"
    return "" if records else f"it has no {kind} record"
