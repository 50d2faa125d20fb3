"""From which node the key material is taken, what may be missing, where nodes disagree, and what a sealed archive tells."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backup.archive import seal
from tasks.backup.models.pki import SHARED, NamedFile, NodeFile
from tasks.backup.policy.pki import NodeAnswer, choose_node, nodes_to_ask, what_is_wrong, what_is_wrong_with_seal
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.findings import Problem
from tasks.core.models.profile import ClusterProfile

FOLDER = PurePosixPath("/etc/kubernetes")
PLACES = {name: str(FOLDER / name) for name in SHARED}
ETCD = "manifests/etcd.yaml"
ENCRYPTION = NamedFile(flag="encryption-provider-config", path="/etc/enc.yaml")
RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())
SSH_RECIPIENT = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPbdHZqmYsnoTlPm6Ln5ZR3LpENgT6fTWNJfJG/Z2fRc ops@example.org"


def answer(
    node: str,
    *,
    without: tuple[str, ...] = (),
    named: tuple[NamedFile, ...] = (),
    changed: Mapping[str, str] = MappingProxyType({}),
) -> NodeAnswer:
    """A control plane node with all files, `without` some, with other content in those that are `changed` (by stem)."""
    files = [
        NodeFile(path=str(FOLDER / name), sha256=changed.get(PurePosixPath(name).name, "same"), mode="600", owner="a:a")
        for name in (*SHARED, *(each.path for each in named))
        if name not in without
    ]
    return NodeAnswer(
        node, PLACES, files=tuple(files), named=named, is_control_plane=True, has_etcd=ETCD not in without
    )


def failed(node: str, error: RunbookError) -> NodeAnswer:
    """A node that did not say."""
    return NodeAnswer(node, failed=error)


def profile(**changes: object) -> ClusterProfile:
    """One that can offer key material, with changes of its fields."""
    nodes = [{"name": name, "address": "192.0.2.1"} for name in ("w1", "cp1", "cp2")]
    endpoints = [{"url": f"https://192.0.2.{number}:2379", "node": f"cp{number}"} for number in (2, 1, 2)]
    good = {
        "name": "prod",
        "nodes": nodes,
        "ssh": {"user": "ops", "key": "file:/id", "known_hosts": "/known_hosts"},
        "etcd": {
            "endpoints": endpoints,
            "client": {"ca": "file:/ca", "certificate": "file:/crt", "key": "file:/key"},
        },
        "store": {"bucket": "backups"},
        "backup": {"recipients": [RECIPIENT]},
    }
    return ClusterProfile.model_validate(good | changes)


def test_nodes_that_run_etcd_are_asked_before_all_others() -> None:
    """Each once, in the order of the endpoints."""
    assert nodes_to_ask(profile()) == (("cp2", "cp1"), ("w1",))


NODELESS = {
    "endpoints": [{"url": "https://192.0.2.1:2379"}],
    "client": {"ca": "file:/c", "certificate": "file:/d", "key": "file:/k"},
}
"""Of etcd, in a profile that names no nodes."""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"backup": {}}, "--pki needs backup.recipients (for whom it is encrypted) -> "),
        ({"ssh": None}, "--pki needs ssh (how to log in) -> "),
        ({"nodes": [], "etcd": NODELESS}, "nodes (where to read it)"),
        ({"backup": {}, "ssh": None}, "backup.recipients (for whom it is encrypted) and ssh (how to log in) -> "),
    ],
)
def test_a_profile_that_lacks_what_it_needs_is_refused_with_the_fields(changes: dict[str, object], told: str) -> None:
    """All at once, and where it is explained."""
    with pytest.raises(Refused) as refused:
        nodes_to_ask(profile(**changes))
    assert told in str(refused.value)
    assert "docs/etcd-backup.md" in refused.value.hint


def test_the_first_of_equals_is_taken_and_nothing_is_said_where_all_agree() -> None:
    """Files that are not shared, and nodes that are no control plane, do not matter."""
    source = choose_node([NodeAnswer("w1"), answer("cp1"), answer("cp2")])
    assert (source.node, source.absent, source.cautions) == ("cp1", (), ())


def test_who_has_the_key_of_an_authority_comes_before_who_has_not() -> None:
    """It may be kept on one node only."""
    source = choose_node([answer("cp1", without=("pki/ca.key",)), answer("cp2")])
    assert (source.node, source.absent, source.cautions) == ("cp2", (), ())


@pytest.mark.parametrize(
    ("without", "told"),
    [
        (("pki/ca.key",), ["the CA is external: its key is elsewhere, back it up there"]),
        (("pki/etcd/ca.key",), ["the CA is external: its key is elsewhere, back it up there"]),
        (("pki/etcd/ca.crt", "pki/etcd/ca.key", ETCD), ["etcd is external, and so is its CA"] * 2),
    ],
)
def test_what_an_external_authority_keeps_is_absent_with_the_reason(without: tuple[str, ...], told: list[str]) -> None:
    """And is no failure."""
    assert [skip.reason for skip in choose_node([answer("cp1", without=without)]).absent] == told


@pytest.mark.parametrize(
    "name", ["pki/ca.crt", "pki/sa.key", "pki/sa.pub", "pki/front-proxy-ca.crt", "pki/etcd/ca.crt"]
)
def test_a_node_that_lacks_what_each_control_plane_has_is_not_fit(name: str) -> None:
    """Another one is taken, with a caution; without one the run is refused."""
    broken = answer("cp1", without=(name,))
    assert what_is_wrong(broken) == [f"there is no /etc/kubernetes/{name}"]
    source = choose_node([broken, answer("cp2")])
    assert source.node == "cp2"
    assert source.cautions[0].problem.endswith(f"that of cp2: there is no /etc/kubernetes/{name}")
    with pytest.raises(Refused, match=f"cp1: there is no /etc/kubernetes/{name} -> correct nodes or kubeadm.folder"):
        choose_node([broken])


def test_a_file_that_the_api_server_names_has_to_be_there() -> None:
    """Without the encryption provider configuration nobody reads the Secrets in a snapshot."""
    with pytest.raises(Refused, match=r"there is no /etc/enc.yaml \(--encryption-provider-config\)"):
        choose_node([answer("cp1", named=(ENCRYPTION,), without=("/etc/enc.yaml",))])


@pytest.mark.parametrize("name", SHARED)
def test_each_shared_file_is_compared(name: str) -> None:
    """A difference names node and file."""
    other = answer("cp2")
    files = [
        file.model_copy(update={"sha256": "another"}) if file.path == str(FOLDER / name) else file
        for file in other.files
    ]
    [caution] = choose_node(
        [answer("cp1"), NodeAnswer("cp2", PLACES, tuple(files), is_control_plane=True, has_etcd=True)]
    ).cautions
    assert caution.subject == "cp2"
    assert caution.problem.startswith(f"has another /etc/kubernetes/{name} than cp1: ")
    assert caution.next_step


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (answer("cp2", named=(ENCRYPTION,), changed={"enc.yaml": "another"}), "(/etc/enc.yaml)"),
        (answer("cp2"), "(none)"),
    ],
)
def test_other_encryption_keys_are_a_difference(other: NodeAnswer, told: str) -> None:
    """So are none: such an API server cannot read what the other one writes."""
    [caution] = choose_node([answer("cp1", named=(ENCRYPTION,)), other]).cautions
    assert caution.problem.startswith(f"has another encryption provider configuration {told} than cp1")


def test_equal_encryption_keys_at_another_path_are_none() -> None:
    """Each node may have them where it wants."""
    elsewhere = ENCRYPTION.model_copy(update={"path": "/srv/enc.yaml"})
    assert choose_node([answer("cp1", named=(ENCRYPTION,)), answer("cp2", named=(elsewhere,))]).cautions == ()


def test_a_node_that_did_not_answer_is_a_caution_where_another_did() -> None:
    """Nobody knows whether it agrees."""
    [caution] = choose_node([failed("cp1", NotYet("cp1: no route")), answer("cp2")]).cautions
    assert (caution.subject, caution.problem) == (
        "cp1",
        "its key material is not compared with that of cp2: cp1: no route",
    )


@pytest.mark.parametrize(
    ("answers", "kind", "told"),
    [
        ([failed("cp1", NotYet("away")), failed("cp2", Refused("no login", hint="add the key"))], NotYet, "away"),
        ([failed("cp2", Refused("no login", hint="add the key"))], Refused, "cp2: no login -> add the key"),
        ([], Refused, "no node has the control plane's key material"),
    ],
)
def test_without_any_node_it_is_tried_again_only_if_one_may_come_back(
    answers: list[NodeAnswer], kind: type[RunbookError], told: str
) -> None:
    """With what each said."""
    with pytest.raises(RunbookError, match=told) as error:
        choose_node(answers)
    assert type(error.value) is kind


def test_no_control_plane_node_says_what_was_looked_for() -> None:
    """A wrong folder, or a profile of workers."""
    told = (
        "w1: it is no control plane node: there is no manifest of kube-apiserver and the manifest of kube-apiserver: no"
    )
    with pytest.raises(Refused, match=told):
        choose_node([NodeAnswer("w1", problems=("the manifest of kube-apiserver: no flags",))])


def test_what_no_flag_names_is_not_taken_for_an_external_authority() -> None:
    """Nobody knows where it is; and nodes that have it at different places are compared."""
    places = {name: path for name, path in PLACES.items() if "front-proxy" not in name}
    nameless = NodeAnswer("cp1", places, answer("cp1").files, is_control_plane=True, has_etcd=True)
    assert what_is_wrong(nameless) == [
        "there is no pki/front-proxy-ca.crt, and no flag that names it",
        "there is no pki/front-proxy-ca.key, and no flag that names it",
    ]
    moved = NodeAnswer(
        "cp2",
        {name: f"/srv/{name}" for name in SHARED},
        tuple(one.model_copy(update={"path": one.path.replace(str(FOLDER), "/srv")}) for one in answer("cp2").files),
        is_control_plane=True,
        has_etcd=True,
    )
    assert choose_node([answer("cp1"), moved]).cautions == ()


@given(st.lists(st.sampled_from([RECIPIENT, SSH_RECIPIENT]), min_size=1, max_size=5), st.binary(max_size=200))
def test_a_seal_is_right_for_its_recipients_and_for_no_others(recipients: list[str], plain: bytes) -> None:
    """Neither for one more, nor for one less, nor for another kind of key."""
    sealed = seal(plain, recipients)
    assert what_is_wrong_with_seal(sealed, recipients) is None
    assert str(what_is_wrong_with_seal(sealed, [*recipients, RECIPIENT])).startswith("it is encrypted for")
    assert what_is_wrong_with_seal(sealed, recipients[1:])
    kinds = [SSH_RECIPIENT if recipient == RECIPIENT else RECIPIENT for recipient in recipients]
    if sorted(kinds) != sorted(recipients):
        assert what_is_wrong_with_seal(sealed, kinds)


@pytest.mark.parametrize("content", [b"", b"a plain tar", b"age-encryption.org/v1\n-> X25519 a\n", b"x\n--- y"])
def test_what_has_no_header_of_age_is_no_sealed_archive(content: bytes) -> None:
    """Above all, a plain one."""
    assert what_is_wrong_with_seal(content, [RECIPIENT]) == Problem(text="it is no age file")
