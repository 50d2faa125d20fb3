"""Configures TLS with OpenSSL's defaults, because the certificates of clusters are as old as the clusters."""

import ssl


def tls_context(ca: bytes = b"") -> ssl.SSLContext:
    """Returns a context that trusts these CAs (PEM), or the system's CAs if none is given.

    Python 3.13 and later also set `VERIFY_X509_STRICT`. It refuses a CA without key identifiers, and kubeadm made
    such CAs until v1.18. Without it, signatures, names and dates are still verified.
    """
    context = ssl.create_default_context(cadata=ca.decode() or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def why_not_trusted(error: BaseException) -> str:
    """Returns why a server's certificate was not trusted, in OpenSSL's words; empty if the cause is another one.

    It searches for the type of the original error, wherever a library has stored it. A connection that breaks in
    the middle of a handshake is an error of TLS too.
    """
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or one in seen:
            continue
        if isinstance(one, ssl.SSLCertVerificationError):
            return one.verify_message or "its certificate is not trusted"
        seen.append(one)
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting += [*getattr(one, "kwargs", {}).values()]
    return ""
