"""known_hosts as `ssh` reads it."""

import base64

import pytest

from tasks.clients.ssh.known_hosts import KnownHosts, fingerprint

OLD = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFcEk5dDJkM2pKHVZc3eVQ6mgCnrbLhWIuDP1sSDCrx"
NEW = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBc9kEmFT0PqPiTFSBxsRi6FyqpH0C7YtQRqDtNRrFf"
RSA = f"ssh-rsa {base64.b64encode(bytes([0, 0, 0, 7]) + b'ssh-rsa' + bytes(40)).decode()}"
HASHED = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="
"""192.168.1.61, of sshd(8)'s neighbours: made by ssh-keygen -H."""


def blob(key: str) -> bytes:
    """As it is on the wire."""
    return base64.b64decode(key.split()[1])


def trusted(text: str, address: str = "cp1", port: int = 22) -> list[int]:
    """The lines whose keys that host may show."""
    return [key.line for key in KnownHosts.parse(text).of(address, port, 22).trusted]


def test_any_key_of_a_host_is_trusted() -> None:
    """An old and a new one of the same kind, and one of another, as between two steps of a change of keys."""
    host = KnownHosts.parse(f"cp1 {OLD}\ncp1 {NEW} comment of words\n\n# cp1 {OLD}\ncp1,cp2\t{RSA}\n").of("cp1", 22, 22)
    assert [(key.line, key.kind, key.blob) for key in host.trusted] == [
        (1, "ssh-ed25519", blob(OLD)),
        (2, "ssh-ed25519", blob(NEW)),
        (5, "ssh-rsa", blob(RSA)),
    ]
    assert str(host.trusted[0]) == f"ssh-ed25519 {fingerprint(blob(OLD))}"
    assert (host.revoked, host.authorities, host.bad) == ((), (), ())


@pytest.mark.parametrize(
    ("names", "address", "port", "is_for"),
    [
        ("cp1", "cp1", 22, True),
        ("cp1", "cp11", 22, False),
        ("CP1.Example", "cp1.example", 22, True),
        ("cp1.example", "CP1.example", 22, True),
        ("cp1.example", "cp1xexample", 22, False),
        ("cp2,10.0.0.1,cp1", "cp1", 22, True),
        ("*.example", "cp1.example", 22, True),
        ("*.example", "example", 22, False),
        ("cp?", "cp1", 22, True),
        ("cp?", "cp", 22, False),
        ("*,!cp1", "cp1", 22, False),
        ("!cp1,*", "cp2", 22, True),
        ("!cp1", "cp2", 22, False),
        ("[cp1]:2222", "cp1", 2222, True),
        ("[cp1]:2222", "cp1", 22, False),
        ("[cp1]:2222", "cp1", 2223, False),
        ("cp1", "cp1", 2222, True),
        ("[*.example]:2222", "cp1.example", 2222, True),
        ("[cp1]", "c", 22, False),
        ("fd00::1", "fd00::1", 22, True),
        ("FD00::1", "fd00::1", 22, True),
        ("[fd00::1]:2222", "fd00::1", 2222, True),
        (HASHED, "192.168.1.61", 22, True),
        (HASHED, "192.168.1.62", 22, False),
        ("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=", "192.168.1.61", 22, False),
        ("|2|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=", "192.168.1.61", 22, False),
        ("|1|%|%", "192.168.1.61", 22, False),
    ],
)
def test_a_line_is_for_the_hosts_that_ssh_takes_it_for(names: str, address: str, port: int, *, is_for: bool) -> None:
    """Names, wildcards, negations, ports and hashes."""
    assert trusted(f"{names} {OLD}\n", address, port) == ([1] if is_for else [])


def test_a_line_with_the_port_counts_before_one_without() -> None:
    """Which counts where there is none."""
    assert trusted(f"cp1 {OLD}\n[cp1]:2222 {NEW}\n", "cp1", 2222) == [2]
    hosts = KnownHosts.parse(f"@revoked cp1 {NEW}\n[cp1]:2222 {NEW}\n@revoked [cp1]:2222 {OLD}\n")
    assert [key.line for key in hosts.of("cp1", 2222, 22).revoked] == [1, 3]


def test_markers_are_told_apart() -> None:
    """A revoked key and a CA's are nothing that the host may show; a marker that nobody knows makes a line unreadable."""
    text = (
        f"@revoked * {OLD}\n@cert-authority *.example {NEW}\ncp1.example {OLD}\n@trusted cp1.example {OLD}\n@revoked\n"
    )
    host = KnownHosts.parse(text).of("cp1.example", 22, 22)
    assert [[key.line for key in keys] for keys in (host.trusted, host.revoked, host.authorities)] == [[3], [1], [2]]
    assert host.bad == (4,)
    assert KnownHosts.parse(text).bad == (4, 5)


@pytest.mark.parametrize(
    "key", ["", "ssh-ed25519", "ssh-ed25519 AAAA", f"{OLD}cp2", f"ssh-rsa {OLD.split()[1]}", "ssh-ed25519 *"]
)
def test_a_line_that_cannot_be_read_is_named(key: str) -> None:
    """By its number, as the host's own only where its names say so."""
    hosts = KnownHosts.parse(f"# a comment\ncp1 {key}\ncp1 {OLD}\n")
    assert (hosts.bad, hosts.of("cp1", 22, 22).bad, hosts.of("cp2", 22, 22).bad) == ((2,), (2,), ())


def test_what_no_host_offers_any_more_is_not_in_the_way() -> None:
    """A line of SSH 1."""
    hosts = KnownHosts.parse(f"cp1 1024 35 1234567890\ncp1 {OLD}\n")
    assert hosts.bad == ()
    assert trusted(f"cp1 1024 35 1234567890\ncp1 {OLD}\n") == [1, 2]
