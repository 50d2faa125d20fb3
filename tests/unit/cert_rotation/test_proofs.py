"""What proofs ask, run for real with programs of our own."""

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tasks.cert_rotation.probes import proofs
from tasks.control_plane.probes.readyz import ask_readyz
from tasks.core.models.shape import Address
from tests.facts.shapes import API_SERVER, encoded, shape_of

SHAPE = shape_of(
    pods={
        "kube-apiserver": API_SERVER
        + "    - --kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt\n"
        "    - --kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key\n"
    }
)


def said_by(script: str, programs: Path) -> bytes:
    """By a shell that has these programs alone."""
    return subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(programs)}, capture_output=True, check=False
    ).stdout


@pytest.mark.parametrize("programs", [(), ("curl",), ("curl", "kubectl")])
def test_proofs_are_asked_before_the_act_by_what_is_there(tmp_path: Path, programs: tuple[str, ...]) -> None:
    """Each answer is one of a proof; a program that is missing is a fact of its own."""
    for program in ("sed", "tail", "cat"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    answers = {
        "curl": 'for url in "$@"; do :; done; case "$url" in *10257*) echo ok ;; *10259*) echo "[-]ping failed" ;; *) printf 200 ;; esac',
        "kubectl": 'case "$*" in *admin*) echo kubernetes-admin ;; *) echo "error: Unauthorized" >&2; exit 1 ;; esac',
    }
    for program in programs:
        (tmp_path / program).write_text(f"#!/bin/sh\n{answers[program]}\n")
        (tmp_path / program).chmod(0o755)
    script = proofs.prove_now(["/k/admin.conf", "/k/scheduler.conf"])
    found = proofs.parse_proofs("cp1", said_by(script, tmp_path), said_by(ask_readyz(SHAPE), tmp_path).decode())
    assert (found.curl, found.kubectl) == ("curl" in programs, "kubectl" in programs)
    if programs:
        assert found.ails == {"kube-scheduler": "[-]ping failed"}
    else:
        assert set(found.ails) == {"kube-scheduler", "kube-controller-manager", "kube-apiserver"}
    assert found.nobody == ({"/k/scheduler.conf": "error: Unauthorized"} if found.kubectl else {})


@pytest.mark.parametrize("refusal", [401, 403])
@pytest.mark.parametrize(
    ("own", "ails"), [(200, {}), (500, {"kube-apiserver": "500"}), (401, {"kube-apiserver": "401"})]
)
def test_an_api_server_that_answers_nobody_without_a_name_is_asked_as_its_own_client(
    tmp_path: Path, refusal: int, own: int, ails: dict[str, str]
) -> None:
    """`--anonymous-auth=false`, as hardening guides want it: the proof afterwards asks with a certificate, too."""
    (tmp_path / "sed").symlink_to("/usr/bin/sed")
    (tmp_path / "curl").write_text(
        f'#!/bin/sh\ncase "$*" in *healthz*) echo ok ;; *--cert*) printf {own} ;; *) printf {refusal} ;; esac\n'
    )
    (tmp_path / "curl").chmod(0o755)
    script = proofs.prove_now([])
    found = proofs.parse_proofs("cp1", said_by(script, tmp_path), said_by(ask_readyz(SHAPE), tmp_path).decode())
    assert found.ails == ails


def test_who_elects_a_leader_by_which_lease() -> None:
    """By flags, or by the configuration that the scheduler has; flags win. Not read is not known."""
    plain = "spec: {{containers: [{{command: [{}]}}]}}"
    manager, file = plain.format("kube-controller-manager, --leader-elect=False"), "/s.yaml"
    own = plain.format("kube-scheduler, --v=2")
    assert proofs.unelected_of(shape_of(pods={"kube-controller-manager": manager, "kube-scheduler": own})) == {
        "kube-controller-manager": "it elects no leader"
    }
    assert set(proofs.unelected_of(shape_of(pods={}))) == {"kube-controller-manager", "kube-scheduler"}
    by_config = plain.format(f"kube-scheduler, --config={file}")
    flags = plain.format(
        f"kube-scheduler, --config={file}, --leader-elect=true, --leader-elect-resource-name=kube-scheduler"
    )
    for manifest, config, why in (
        (by_config, "leaderElection: {leaderElect: false}", "it elects no leader"),
        (by_config, "leaderElection: {resourceName: mine, resourceNamespace: ops}", "it elects by the Lease ops/mine"),
        (by_config, "{}", None),
        (by_config, None, f"its configuration {file} could not be read"),
        (flags, "leaderElection: {leaderElect: false, resourceName: mine}", None),
    ):
        told = f"pod_config kube-scheduler {encoded(config)}" if config else ""
        shape = shape_of(pods={"kube-scheduler": manifest}, more=told)
        assert proofs.unelected_of(shape).get("kube-scheduler") == why, config


def test_who_the_api_sees_with_each_kubeconfig(tmp_path: Path) -> None:
    """By kubectl on the node; one that it knows nobody by is told; without kubectl nothing is known."""
    for program in ("tail", "sed"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    assert proofs.parse_who(said_by(proofs.who_with(["/a"]), tmp_path)) == ({}, {})
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        '#!/bin/sh\ncase "$2" in "/a b") printf kubernetes-admin ;; *) echo "error: Unauthorized" >&2; exit 1 ;; esac\n'
    )
    kubectl.chmod(0o755)
    told = said_by(proofs.who_with(["/a b", "/b"]), tmp_path)
    assert proofs.parse_who(told) == ({"/a b": "kubernetes-admin"}, {"/b": "error: Unauthorized"})
    told = said_by(proofs.who_with(["/b"]), tmp_path)
    assert proofs.parse_who(told) == ({}, {"/b": "error: Unauthorized"})


@pytest.mark.parametrize(("said", "answer"), [("ok", b"ok\n"), ("", b"no answer at [::1]:10259 (curl: status 1)\n")])
def test_a_program_says_at_its_own_address_that_it_is_well(tmp_path: Path, said: str, answer: bytes) -> None:
    """Why, where it does not answer."""
    curl = tmp_path / "curl"
    curl.write_text(
        f'#!/bin/sh\ncase "$*" in *https://\\[::1\\]:10259/healthz) printf "{said}" ;; esac\n[ -n "{said}" ]\n'
    )
    curl.chmod(0o755)
    assert said_by(proofs.is_well(Address(host="::1", port=10259)), tmp_path) == answer


def test_what_a_node_has_to_say_for_itself_is_printed_whatever_is_missing(tmp_path: Path) -> None:
    """Logs of pods and of kubelet, where there are any."""
    journal = tmp_path / "journalctl"
    journal.write_text('#!/bin/sh\necho "the log of $2"\n')
    journal.chmod(0o755)
    assert said_by(proofs.diagnostics(), tmp_path).decode() == "== processes\n== kubelet\nthe log of kubelet\n"


@pytest.mark.parametrize("is_there", [True, False])
def test_whether_the_key_of_the_ca_is_there(tmp_path: Path, *, is_there: bool) -> None:
    """By its file."""
    if is_there:
        (tmp_path / "ca.key").touch()
    done = subprocess.run(["/bin/sh", "-c", proofs.has_ca_key(PurePosixPath(tmp_path))], check=False)
    assert (done.returncode == 0) is is_there
