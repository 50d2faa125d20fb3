"""Asks nodes on which ports pods listen, and what these pods can reach."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.network_policy.models import Pair, Seen

SECONDS_EACH = 3
"""Limits how long one connection may take."""

STATUSES = {"0": Seen.OPEN, "124": Seen.DROPPED, "1": Seen.REFUSED}

WORD = 8
"""Is the number of hexadecimal digits of 32 bits, which the kernel prints with their first byte last."""


def listeners_command() -> str:
    """Returns the command that asks for ports; standard input is the uid of a pod on each line."""
    return script(__file__, "listeners")


def reach_command() -> str:
    """Returns the command that tries connections; standard input is `in_lines` of them."""
    return script(__file__, "reach", seconds_each=SECONDS_EACH)


def in_lines(pairs: Iterable[Pair]) -> bytes:
    """Encodes connections for `reach_command`, in their order."""
    return "".join(
        f"{number} {one.source.uid if one.source else '-'} {one.target.addresses[0]} {one.port}\n"
        for number, one in enumerate(pairs)
    ).encode()


def parse_listeners(stdout: bytes, addresses: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Returns the ports of each pod that others can reach. `addresses` maps its uid to its address; loopback is no such port."""
    found: dict[str, set[int]] = {}
    for uid, local in Printed.of(stdout).pairs("listens"):
        host, _, port = local.rpartition(":")
        address = _address(host)
        if uid in addresses and (address.is_unspecified or str(address) == addresses[uid]):
            found.setdefault(uid, set()).add(int(port, 16))
    return {uid: tuple(sorted(ports)) for uid, ports in found.items()}


def parse_reach(stdout: bytes, count: int) -> Sequence[tuple[Seen, str]]:
    """Returns what became of each connection, and the words about it. One without an answer was not tried."""
    told = {number: rest.partition(" ") for number, rest in Printed.of(stdout).pairs("tried")}
    answers = (told.get(str(number), ("", "", "the node gave no answer")) for number in range(count))
    return [(STATUSES.get(status, Seen.UNKNOWN), words) for status, _, words in answers]


def _address(host: str) -> IPv4Address | IPv6Address:
    packed = b"".join(bytes.fromhex(host[at : at + WORD])[::-1] for at in range(0, len(host), WORD))
    if len(host) == WORD:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address
