"""From which control plane node the key material is taken, what may be missing there, and where nodes disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tasks.backup.models.pki import API_SERVER, ENCRYPTION, ETCD, SHARED, NamedFile, NodeFile, PkiSource
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Caution, Skip
from tasks.core.models.profile import ClusterProfile

HINT = "add it to the profile (docs/etcd-backup.md: how to make a key), or run with pki=false"


@dataclass(frozen=True)
class NodeAnswer:
    """What a node has of the key material, or why that is not known. No file's content is in it."""

    node: str
    folder: PurePosixPath
    files: tuple[NodeFile, ...] = ()
    named: tuple[NamedFile, ...] = ()
    failed: RunbookError | None = None

    def sum_of(self, path: str) -> str:
        """Of the file below kubeadm's folder, or at an absolute path; empty when it is not there."""
        wanted = str(self.folder / path) if path else ""
        return next((file.sha256 for file in self.files if file.path == wanted), "")

    @property
    def encryption(self) -> str:
        """The path of the encryption provider configuration; empty when the API server has none."""
        return next((named.path for named in self.named if named.flag == ENCRYPTION), "")

    @property
    def is_control_plane(self) -> bool:
        """Whether an API server runs there."""
        return bool(self.sum_of(API_SERVER))


def nodes_to_ask(profile: ClusterProfile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nodes that run etcd, and all others: those are asked where none of the former is a control plane node.

    `Refused` when the profile lacks what key material needs: somebody to encrypt it for, and a way to the nodes.
    """
    missing = [
        field
        for holds, field in (
            (not profile.backup.recipients, "backup.recipients (for whom it is encrypted)"),
            (profile.ssh is None, "ssh (how to log in)"),
            (not profile.nodes, "nodes (where to read it)"),
        )
        if holds
    ]
    if missing:
        raise Refused(f"pki=true needs {' and '.join(missing)}", hint=HINT)
    of_etcd = tuple(dict.fromkeys(endpoint.node for endpoint in profile.etcd.endpoints if endpoint.node))
    return of_etcd, tuple(node.name for node in profile.nodes if node.name not in of_etcd)


def choose_node(answers: Sequence[NodeAnswer]) -> PkiSource:
    """The first control plane node that has the most of the key material and all that must be there.

    The others' files are compared with its own, and a difference is a caution. With no such node: `NotYet` when one
    that did not answer may be it, else `Refused`.
    """
    wrong = {answer.node: what_is_wrong(answer) for answer in answers}
    fit = [answer for answer in answers if not wrong[answer.node]]
    if not fit:
        raise _nobody(answers, wrong)
    best = max(fit, key=lambda answer: sum(bool(answer.sum_of(path)) for path in SHARED))
    others = [answer for answer in answers if answer is not best and (answer.is_control_plane or answer.failed)]
    found = [_caution(other, best, wrong[other.node]) for other in others]
    return PkiSource(
        node=best.node,
        absent=tuple(
            Skip(subject=str(best.folder / path), reason=_why_absent(best, path))
            for path in SHARED
            if not best.sum_of(path)
        ),
        cautions=tuple(caution for caution in found if caution),
    )


def what_is_wrong(answer: NodeAnswer) -> list[str]:
    """Every reason why the key material is not taken from this node; none when it may be."""
    if answer.failed:
        return [answer.failed.problem]
    if not answer.is_control_plane:
        return [f"it is no control plane node: there is no {answer.folder / API_SERVER}"]
    missing = [
        str(answer.folder / path) for path in SHARED if not answer.sum_of(path) and not _why_absent(answer, path)
    ]
    unnamed = [f"{named.path} (--{named.flag})" for named in answer.named if not answer.sum_of(named.path)]
    return [f"there is no {path}" for path in (*missing, *unnamed)]


def what_is_wrong_with_seal(sealed: bytes, recipients: Sequence[str]) -> Problem | None:
    """Why these bytes are not an age file for exactly these recipients, as far as its header tells; none when they are.

    The header has a stanza for each, of the type of its key. Only who has a secret key can prove more.
    """
    header, end, _ = sealed.partition(b"\n--- ")
    lines = header.decode(errors="replace").splitlines() if end else []
    if lines[:1] != ["age-encryption.org/v1"]:
        return Problem(text="it is no age file")
    stanzas = [line.split()[1] for line in lines if line.startswith("-> ")]
    has = sorted(stanza for stanza in stanzas if not stanza.endswith("-grease"))  # age adds one that means nothing
    wanted = sorted(text.split()[0] if text.startswith("ssh-") else "X25519" for text in recipients)
    if has == wanted:
        return None
    return Problem(text=f"it is encrypted for {', '.join(has)}, not for {', '.join(wanted)}")


def _why_absent(answer: NodeAnswer, path: str) -> str:
    """Why it may be in order that a node does not have this file; empty when it is not."""
    if path.startswith("pki/etcd/") and not answer.sum_of(ETCD):
        return "etcd is external, and so is its authority"
    if path.endswith("ca.key"):
        return "the authority is external: its key is kept somewhere else, back it up there"
    return ""


def _caution(other: NodeAnswer, best: NodeAnswer, wrong: Sequence[str]) -> Caution | None:
    """What a person should look at on a node that the key material is not taken from."""
    if wrong:
        return Caution(
            subject=other.node,
            problem=f"its key material is not compared with that of {best.node}: {'; '.join(wrong)}",
            next_step="look at this node",
        )
    both = [path for path in SHARED if other.sum_of(path) and best.sum_of(path)]
    different = [str(best.folder / path) for path in both if other.sum_of(path) != best.sum_of(path)]
    if other.sum_of(other.encryption) != best.sum_of(best.encryption):
        different.append(f"encryption provider configuration ({other.encryption or 'none'})")
    if not different:
        return None
    return Caution(
        subject=other.node,
        problem=f"has another {', '.join(different)} than {best.node}: the control plane does not agree on its keys",
        next_step="find out which is right before one of these nodes is lost",
    )


def _nobody(answers: Sequence[NodeAnswer], wrong: dict[str, list[str]]) -> RunbookError:
    told = "; ".join(f"{node}: {' and '.join(reasons)}" for node, reasons in wrong.items())
    problem = f"no node has the control plane's key material for us: {told}"
    if any(isinstance(answer.failed, NotYet) for answer in answers):
        return NotYet(problem, hint="look at the nodes; it is tried again")
    hints = dict.fromkeys(answer.failed.hint for answer in answers if answer.failed and answer.failed.hint)
    return Refused(
        problem,
        hint="; ".join(hints) or "correct nodes or kubeadm.folder, put back what is missing, or run with pki=false",
    )
