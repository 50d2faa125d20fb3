"""Decides whether a certificate request may be approved, and whether a certificate is what was asked for.

The cluster's controller signs almost anything that is approved, for example a certificate of a node. So every check is
made here, on the request as the API server has stored it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tasks.access.models.login import RESERVED
from tasks.certificates.models.inventory import CLIENT
from tasks.user_access.models.requests import CLIENT_AUTH, SIGNER, Asked, Certificate, Expected, SignRequest

USAGES = frozenset({CLIENT_AUTH, "digital signature", "key encipherment"})
"""Lists the usages that the signer accepts. A request must have `client auth`."""

KEYS = ("EC secp256r1", "EC secp384r1", "EC secp521r1", "Ed25519")
RSA_BITS = 2048
"""This is the minimum size of an RSA key in bits."""

SHORTEST = 600
"""This is the shortest lifetime in seconds that the API server accepts."""

SKEW = 300
"""Limits how much longer than asked a certificate may be valid, in seconds."""

Problem = str


class Check(NamedTuple):
    """This is one check of a request: its name, and the function that returns a problem, or an empty text."""

    name: str
    find: Callable[[SignRequest, Expected], Problem]


def is_strong(key: str) -> bool:
    """Checks whether a key has a type and a size that nobody breaks."""
    kind, _, bits = key.partition(" ")
    return key in KEYS or (kind == "RSA" and int(bits) >= RSA_BITS)


def _ours(request: SignRequest, expected: Expected) -> Problem:
    wrong = sorted(name for name, value in expected.labels.items() if request.labels.get(name) != value)
    return f"another run or program made it: label {', '.join(wrong)} is different" if wrong else ""


def _signer(request: SignRequest, _: Expected) -> Problem:
    return "" if request.signer == SIGNER else f"its signer is {request.signer or 'missing'}, not {SIGNER}"


def _usages(request: SignRequest, _: Expected) -> Problem:
    has = frozenset(request.usages)
    if CLIENT_AUTH in has and has <= USAGES:
        return ""
    return f"it is for {', '.join(sorted(has)) or 'nothing'}, not for {CLIENT_AUTH} alone"


def _user(request: SignRequest, expected: Expected) -> Problem:
    has = request.asked.common_names
    return "" if has == (expected.user,) else f"its CN is {', '.join(has) or 'missing'}, not {expected.user}"


def _groups(request: SignRequest, expected: Expected) -> Problem:
    has, wanted = sorted(request.asked.organizations), sorted(expected.groups)
    return "" if has == wanted else f"its O is {', '.join(has) or 'empty'}, not {', '.join(wanted) or 'empty'}"


def _names(request: SignRequest, _: Expected) -> Problem:
    names = [*request.asked.common_names, *request.asked.organizations]
    wrong = [name for name in names if name.startswith(RESERVED)]
    return f"{', '.join(wrong)}: such names belong to Kubernetes and kubeadm" if wrong else ""


def _nothing_else(request: SignRequest, _: Expected) -> Problem:
    more = [*request.asked.other, *request.asked.extensions]
    return f"it has more than CN and O: {', '.join(more)}" if more else ""


def _key(request: SignRequest, expected: Expected) -> Problem:
    asked = request.asked
    if asked.problem:
        return asked.problem
    if not asked.is_signed:
        return "it is not signed with its own key"
    if expected.public_key and asked.public_key != expected.public_key:
        return "its key is not the one that this run sent"
    return "" if is_strong(asked.key) else f"its key is {asked.key or 'not known'}"


def _lifetime(request: SignRequest, expected: Expected) -> Problem:
    if request.seconds is None:
        return "it has no expirationSeconds: the cluster would decide how long it is valid"
    if SHORTEST <= request.seconds <= expected.seconds:
        return ""
    return f"it asks for {request.seconds} s, not for {SHORTEST} to {expected.seconds} s"


CHECKS = (
    Check("this run made it", _ours),
    Check("the signer is that of API clients", _signer),
    Check("it is for client authentication alone", _usages),
    Check("CN is the user", _user),
    Check("O is exactly the groups of the policy", _groups),
    Check("no name belongs to Kubernetes or kubeadm", _names),
    Check("it asks for nothing else", _nothing_else),
    Check("the key is strong, is the one that was sent, and signed it", _key),
    Check("the lifetime is at most that of the policy", _lifetime),
)
"""Lists the nine checks. A request that fails one is denied."""


def what_forbids(request: SignRequest, expected: Expected) -> tuple[str, ...]:
    """Returns every check that the request fails, with the reason. The result is empty if it may be approved."""
    return tuple(f"{one.name}: no, {problem}" for one in CHECKS if (problem := one.find(request, expected)))


def what_is_wrong_with(asked: Asked, expected: Expected) -> tuple[str, ...]:
    """Returns what is wrong with a request that a user gives, before anything is sent to the cluster."""
    as_sent = SignRequest(
        name="",
        labels=expected.labels,
        signer=SIGNER,
        usages=(CLIENT_AUTH,),
        seconds=expected.seconds,
        asked=asked,
    )
    return what_forbids(as_sent, expected)


def what_differs(made: Certificate, expected: Expected) -> tuple[str, ...]:
    """Returns how a signed certificate differs from what was asked for. The result is empty if it does not."""
    return tuple(problem for problem in _differences(made, expected) if problem)


def _differences(made: Certificate, expected: Expected) -> Iterator[Problem]:
    has, wanted = sorted(made.organizations), sorted(expected.groups)
    yield "" if made.public_key == expected.public_key else "its key is another one"
    yield "" if made.common_names == (expected.user,) else f"its CN is {', '.join(made.common_names) or 'missing'}"
    yield "" if has == wanted else f"its O is {', '.join(has) or 'empty'}"
    yield "" if made.usages == (CLIENT,) else f"it is for {', '.join(made.usages) or 'anything'}"
    yield "" if made.signer else "no CA of the API server's clients signed it"
    yield "" if made.seconds <= expected.seconds + SKEW else f"it is valid for {made.seconds:.0f} s, longer than asked"
