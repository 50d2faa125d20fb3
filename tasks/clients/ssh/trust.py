"""Defines the trusted host keys, from known_hosts, and loads the private key of the login."""

from collections.abc import Sequence
from io import StringIO

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tasks.clients.ssh.failures import words_of
from tasks.clients.ssh.known_hosts import KnownHosts, fingerprint
from tasks.clients.ssh.target import SSH_PORT, SshTarget
from tasks.core.errors import Refused

MOST_NUMBERS = 5
"""Limits how many line numbers an error names."""


class Trust:
    """Decides which host keys a target may show, from its known_hosts.

    It is created again for each connection, so that a repair of the file takes effect.

    Raises:
        Refused: the file, or a line for this host, cannot be read.
    """

    def __init__(self, target: SshTarget, via: str | None) -> None:
        """Reads the target's known_hosts; `via` is the gateway's name."""
        self._target = target
        self._via = via
        where = f"{target.name}: known_hosts file {target.known_hosts}"
        try:
            self._hosts = KnownHosts.parse(target.known_hosts.read_text(errors="surrogateescape"))
        except OSError as error:
            hint = "name a file that the worker may read"
            raise Refused(f"{where} cannot be read: {words_of(error)}", hint=hint) from None
        self._host = self._hosts.of(target.address, target.port, SSH_PORT)
        if self._host.bad:
            problem = f"{where} has a line for {target.known_as} that cannot be read: line {_numbers(self._host.bad)}"
            hint = "a line is `names type key`, before it perhaps @revoked or @cert-authority: correct it, or remove it"
            raise Refused(problem, hint=hint)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Returns the types of the trusted keys.

        The connection asks the host for these first, because it may have others too.
        """
        return tuple(dict.fromkeys(key.kind for key in self._host.trusted))

    def client(self) -> paramiko.SSHClient:
        """Returns a client that connects only to a host with a trusted key."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_Policy(self))  # it has no keys of its own, so the policy judges each
        return client

    def judge(self, offered: paramiko.PKey) -> None:
        """Raises `Refused` unless a line trusts the key and none revokes it."""
        blob, target, host = offered.asbytes(), self._target, self._host
        shown = f"{offered.get_name()} {fingerprint(blob)}"
        if revoked := next((key for key in host.revoked if key.blob == blob), None):
            problem = f"{target.name}: {target.known_hosts} line {revoked.line} revokes the key that {target.known_as} offers, {shown}"
            raise Refused(problem, hint=f"give {target.name} another host key, or remove the line if it is wrong")
        if any(key.blob == blob for key in host.trusted):
            return
        raise self._changed(shown) if host.trusted else self._unknown(shown)

    def _unknown(self, shown: str) -> Refused:
        """Returns the error for an unknown host, which explains how to compare the offered key with the real one."""
        target = self._target
        problem = f"{target.name}: {target.known_hosts} has no key for {target.known_as}; it offers {shown}"
        if authorities := [key.line for key in self._host.authorities]:
            problem += f"; the @cert-authority of line {_numbers(authorities)} does not count: certificates of hosts are not supported"
        if bad := self._hosts.bad:
            problem += f"; what cannot be read there: line {_numbers(bad)}"
        scan = f"{f'on {self._via}: ' if self._via else ''}ssh-keyscan -p {target.port} {target.address}"
        hint = (
            f"compare it on {target.name}'s console (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), "
            f"then add the line of `{scan}` to {target.known_hosts}"
        )
        return Refused(problem, hint=hint)

    def _changed(self, shown: str) -> Refused:
        """Returns the error for a key that is none of those in the file."""
        target = self._target
        known = " and ".join(f"{key} (line {key.line})" for key in self._host.trusted)
        problem = (
            f"{target.name}: the host key of {target.known_as} changed: "
            f"{target.known_hosts} has {known}, it offers {shown}"
        )
        hint = (
            f"somebody may stand in between; if {target.name} was reinstalled, run `ssh-keygen -R {target.known_as!r} "
            f"-f {target.known_hosts}` and add the new key after comparing it on the console"
        )
        return Refused(problem, hint=hint)


class _Policy(paramiko.MissingHostKeyPolicy):
    """This is the policy that paramiko asks about each host key."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raises `Refused`, or accepts the key."""
        del client, hostname
        self._trust.judge(key)


def _numbers(lines: Sequence[int]) -> str:
    return ", ".join(map(str, lines[:MOST_NUMBERS])) + (" …" if len(lines) > MOST_NUMBERS else "")


def private_key(target: SshTarget) -> paramiko.PKey:
    """Returns the target's key, from OpenSSH's format, PKCS#1 or PKCS#8.

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
