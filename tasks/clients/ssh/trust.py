"""Whom we believe and who we are: host keys from known_hosts, and our private key."""

from io import StringIO
from typing import NoReturn

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from paramiko.hostkeys import InvalidHostKey

from tasks.clients.ssh.failures import QUOTED_CHARACTERS, words_of
from tasks.clients.ssh.target import SshTarget
from tasks.core.errors import Refused


def strict_client(target: SshTarget, via: str | None) -> paramiko.SSHClient:
    """A client that connects only to a host whose key is in known_hosts; `via` is the gateway's name.

    Raises:
        Refused: the file cannot be read, or has a line that could be misunderstood.
    """
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_RefuseUnknown(target, via))
    where = f"{target.name}: known_hosts file {target.known_hosts}"
    try:
        client.load_host_keys(str(target.known_hosts))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"{where} cannot be read: {words_of(error)}", hint="name a file that the worker may read"
        ) from None
    except InvalidHostKey as error:
        # Not skipped: paramiko takes @revoked for a host's name, and would go on trusting that key by another line.
        hint = "lines with @revoked or @cert-authority are not supported"
        raise Refused(f"{where} has a line that cannot be used: {error.line[:QUOTED_CHARACTERS]}", hint=hint) from None
    return client


class _RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """What paramiko asks when known_hosts has no key for the address."""

    def __init__(self, target: SshTarget, via: str | None) -> None:
        self._target = target
        self._via = via

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> NoReturn:
        """Refuse, and say how to compare the offered key with the real one."""
        del client
        target = self._target
        problem = f"{target.name}: {target.known_hosts} has no key for {hostname}; it offers {_shown(key)}"
        scan = f"{f'on {self._via}: ' if self._via else ''}ssh-keyscan -p {target.port} {target.address}"
        hint = (
            f"compare it on {target.name}'s console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), "
            f"then add the line of `{scan}` to {target.known_hosts}"
        )
        raise Refused(problem, hint=hint)


def changed_host_key(target: SshTarget, error: paramiko.BadHostKeyException) -> Refused:
    """The refusal of a host whose key is not the one in known_hosts."""
    problem = (
        f"{target.name}: the host key of {target.known_as} changed: "
        f"{target.known_hosts} has {_shown(error.expected_key)}, it offers {_shown(error.key)}"
    )
    hint = (
        f"somebody may stand in between; if {target.name} was reinstalled, run `ssh-keygen -R {target.known_as!r} "
        f"-f {target.known_hosts}` and add the new key after comparing it on the console"
    )
    return Refused(problem, hint=hint)


def _shown(key: paramiko.PKey) -> str:
    """As OpenSSH prints it: type and SHA256 of the public key."""
    return f"{key.get_name()} {key.fingerprint}"


def private_key(target: SshTarget) -> paramiko.PKey:
    """The target's key, from OpenSSH's format, PKCS#1 or PKCS#8.

    Raises:
        Refused: the text is no private key, needs a passphrase, or is of a kind that SSH does not use.
    """
    text = target.key.get_secret_value().replace("\r\n", "\n").strip().encode() + b"\n"
    is_openssh = b"BEGIN OPENSSH PRIVATE KEY" in text
    load = serialization.load_ssh_private_key if is_openssh else serialization.load_pem_private_key
    whose = f"{target.name}: the private key of {target.user}"
    try:
        key = load(text, password=None)
    except TypeError:  # how cryptography says so, for each of the formats
        hint = "give the runbooks a key of their own without one: ssh-keygen -t ed25519 -N ''"
        raise Refused(f"{whose} needs a passphrase", hint=hint) from None
    except (ValueError, UnsupportedAlgorithm):
        hint = "it has to be the text of the private key: -----BEGIN OPENSSH PRIVATE KEY----- ..."
        raise Refused(f"{whose} is not a private key", hint=hint) from None
    match key:
        case Ed25519PrivateKey():
            kind: type[paramiko.PKey] = paramiko.Ed25519Key
        case EllipticCurvePrivateKey():
            kind = paramiko.ECDSAKey
        case RSAPrivateKey():
            kind = paramiko.RSAKey
        case _:
            raise Refused(f"{whose} is of a kind that is not used any more", hint="ssh-keygen -t ed25519 -N ''")
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return kind.from_private_key(StringIO(plain.decode()))  # paramiko knows fewer formats than cryptography
