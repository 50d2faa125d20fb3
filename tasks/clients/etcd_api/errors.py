"""Translates gRPC's errors into `Refused` and `NotYet`.

If gRPC has a code of its own for an error, the code decides.

A failed TLS handshake has no such code. gRPC reports UNAVAILABLE, as for a member that is down, and only the text
says more. That text decides only whether Prefect retries: an unrecognised text is `NotYet`, never an answer.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from tasks.core.errors import NotYet, Refused, RunbookError


class Compacted(NotYet):
    """The requested revision has been compacted in the meantime."""


NOT_LET_IN = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED})


@contextmanager
def spoken(member: str, call: str) -> Iterator[None]:
    """Turns gRPC's errors into this project's errors, in this one place. The message starts with the member's name."""
    try:
        yield
    except grpc.RpcError as error:
        raise _in_our_words(member, call, error) from error


def _in_our_words(member: str, call: str, error: grpc.RpcError) -> RunbookError:
    code, details = error.code(), error.details() or ""
    said = f"{member}: etcd {call}: {code.name}: {details}"
    hint = "etcd does not accept the client certificate: check etcd.client and its CA"
    if code in NOT_LET_IN:
        return Refused(said, hint=hint)
    if "CERTIFICATE_VERIFY_FAILED" in details:
        return Refused(
            f"{member}: the server's certificate is not signed by the CA of the profile, has expired, or is for another name",
            hint="check etcd.client.ca against the CA of the members, and the certificate with openssl s_client",
        )
    if _REJECTION.search(details):
        return Refused(said, hint=hint)
    return NotYet(said, hint="check the member and the network to it; the step is tried again")


# In TLS 1.3 the member's alert comes after the client's handshake: gRPC says "Unwrap failed (TSI_DATA_CORRUPTED)" for
# any alert, and only its log has its name. While connecting there is nothing else that it could be.
_REJECTION = re.compile(
    "certificate_required|unknown_ca|bad_certificate|certificate unknown|handshake_failure"
    "|failed to connect.*unwrap failed",
    re.IGNORECASE | re.DOTALL,
)
