"""Why a tool failed, in one line for people: recorded of kubeadm 1.37.2, apt 2.6.1 and dpkg 1.21."""

from pathlib import Path

import pytest

from tasks.core.probes.failures import reason_of

FAILURES = Path(__file__).parents[1] / "data" / "failures"
IMAGE = "127.0.0.1:5055/kube-apiserver:v1.37.2"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("kubeadm-preflight", f"[ERROR ImagePull]: failed to pull image {IMAGE}: … {IMAGE}: not found (and 6 more)"),
        ("kubeadm-pull", f"failed to pull image {IMAGE}: … {IMAGE}: not found"),
        (
            "apt-fetch",
            "E: Failed to fetch http://127.0.0.1:1/dists/x/main/binary-amd64/Packages  Cannot initiate the connection "
            "to 127.0.0.1:1 (127.0.0.1). - connect (101: Network is unreachable)",
        ),
        ("apt-locate", "E: Unable to locate package kr-notthere"),
        (
            "apt-unmet",
            "E: Unable to correct problems, you have held broken packages. "
            "(kr-unmet : Depends: kr-none (>= 2) but it is not installable)",
        ),
        (
            "dpkg-postinst",
            "dpkg: error processing package kr-boom (--configure): installed kr-boom package post-installation script "
            "subprocess returned error exit status 1: cannot write /etc/kr.conf: Read-only file system (and 1 more)",
        ),
        (
            "dpkg-unpack",
            "dpkg: error processing archive /tmp/kr-b.deb (--unpack): "
            "trying to overwrite '/usr/share/kr/f', which is also in package kr-a 1",
        ),
    ],
)
def test_a_failure_is_told_by_the_tools_own_error(name: str, reason: str) -> None:
    """The cause is at the end of kubeadm's chain, in the package's script, in the line above apt's."""
    assert reason_of((FAILURES / f"{name}.txt").read_text()) == reason


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", ""),
        ("\n \n", ""),
        ("kubeadm is v1.36.3\n", "kubeadm is v1.36.3"),
        ("E1130 22:45:33.4 1 remote.go:334] no\nlast", "last"),
        ("Error: Unable to find a match: kubelet-1.37.9\n", "Unable to find a match: kubelet-1.37.9"),
        ("Error: \n Problem: a needs b, of which there is none\n  - nothing provides b\n", "Problem: a needs b, of which there is none"),
        ("Problem: 1: nothing provides b\n", "Problem: 1: nothing provides b"),
        ("error: %post(a-1) scriptlet failed\nError: Transaction failed\n", "%post(a-1) scriptlet failed; Transaction failed"),
        ('time="2026-11-30T22:44:40Z" level=fatal msg="pulling image: not found"\n', "pulling image: not found"),
        ("FATA[0002] pulling image: not found\n", "pulling image: not found"),
        ("[upgrade/version] FATAL: invalid due to:\n\n\t- v1.38.0 is higher\nCan be bypassed\n", "invalid due to: - v1.38.0 is higher"),
        ("E: an index is old\nerror: no space left\nTo see the stack trace of this error execute with --v=5\n", "no space left"),
        ("dpkg: error processing package a (--configure):\n broken\n", "dpkg: error processing package a (--configure): broken"),
        ("x" * 300, "x" * 120 + "…"),
        (f"error: a: {'b' * 300}", f"a: …{'b' * 120}"),
        (f"error: a: b: {'c' * 118}: {'d' * 118}: e: f", "a: b: … e: f"),
    ],
)  # fmt: skip
def test_any_output_has_a_reason(output: str, reason: str) -> None:
    """Other tools, a script of our own, a long line; what klog writes to the side is none."""
    assert reason_of(output) == reason
