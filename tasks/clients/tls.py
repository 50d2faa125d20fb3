"""TLS as OpenSSL does it by default: the certificates of clusters are as old as the clusters."""

import ssl


def tls_context(ca: bytes = b"") -> ssl.SSLContext:
    """A context that trusts these CAs (PEM), or those of the system where none is given.

    From 3.13 on, Python also sets `VERIFY_X509_STRICT`. It refuses a CA without key identifiers, and kubeadm made such CAs until
    v1.18: signatures, names and dates are verified all the same without it.
    """
    context = ssl.create_default_context(cadata=ca.decode() or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
