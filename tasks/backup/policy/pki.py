"""Decides which control plane node provides the key material, what may be missing there, and where nodes disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.backup.models.pki import ENCRYPTION, SHARED, NamedFile, NodeFile, PkiSource
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Caution, Skip
from tasks.core.models.profile import ClusterProfile

HINT = "add it to the profile (docs/etcd-backup.md: how to make a key), or leave out --pki"


@dataclass(frozen=True)
class NodeAnswer:
    """Describes what a node has of the key material, or why that is not known; it has no file's content."""

    node: str
    places: Mapping[str, str] = field(default_factory=dict)
    """It holds where the node has each file of `SHARED`."""
    files: tuple[NodeFile, ...] = ()
    named: tuple[NamedFile, ...] = ()
    is_control_plane: bool = False
    """True if the node has a manifest of kube-apiserver."""
    has_etcd: bool = False
    """True if the node has a manifest of an etcd member."""
    problems: tuple[str, ...] = ()
    """It lists what of the node's manifests and folders was not found or could not be parsed."""
    failed: RunbookError | None = None

    def place_of(self, path: str) -> str:
        """Returns where the node has one of `SHARED`; if that is not known, it returns the name itself."""
        return self.places.get(path, path)

    def sum_of(self, path: str) -> str:
        """Returns the sha256 of one of `SHARED`, or of a file by its path; empty if it is not there."""
        wanted = self.place_of(path)
        return next((file.sha256 for file in self.files if file.path == wanted), "")

    @property
    def encryption(self) -> str:
        """Returns the path of the encryption provider configuration; empty if the API server has none."""
        return next((named.path for named in self.named if named.flag == ENCRYPTION), "")


def nodes_to_ask(profile: ClusterProfile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the nodes that run etcd, and all others.

    The others are queried only if no node of the first group is a control plane node. `Refused` when the profile lacks
    what key material needs: recipients for the encryption, and access to the nodes.
    """
    missing = [
        name
        for holds, name in (
            (not profile.backup.recipients, "backup.recipients (for whom it is encrypted)"),
            (profile.ssh is None, "ssh (how to log in)"),
            (not profile.nodes, "nodes (where to read it)"),
        )
        if holds
    ]
    if missing:
        raise Refused(f"--pki needs {' and '.join(missing)}", hint=HINT)
    of_etcd = tuple(dict.fromkeys(endpoint.node for endpoint in profile.etcd.endpoints if endpoint.node))
    return of_etcd, tuple(node.name for node in profile.nodes if node.name not in of_etcd)


def choose_node(answers: Sequence[NodeAnswer]) -> PkiSource:
    """Chooses the first control plane node with the most key material and everything that must be there.

    The other nodes' files are compared with its own, and a difference is a caution. If there is no such node, it raises
    `NotYet` when one that did not answer may be it, else `Refused`.
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
            Skip(subject=best.place_of(path), reason=_why_absent(best, path))
            for path in SHARED
            if not best.sum_of(path)
        ),
        cautions=tuple(caution for caution in found if caution),
    )


def what_is_wrong(answer: NodeAnswer) -> list[str]:
    """Returns every reason why the key material is not taken from this node; none if it may be taken."""
    if answer.failed:
        return [answer.failed.problem]
    if not answer.is_control_plane:
        return ["it is no control plane node: there is no manifest of kube-apiserver", *answer.problems]
    absent = [path for path in SHARED if not answer.sum_of(path) and not _why_absent(answer, path)]
    missing = [answer.places.get(path, f"{path}, and no flag that names it") for path in absent]
    unnamed = [f"{named.path} (--{named.flag})" for named in answer.named if not answer.sum_of(named.path)]
    return [f"there is no {path}" for path in (*missing, *unnamed)]


def what_is_wrong_with_seal(sealed: bytes, recipients: Sequence[str]) -> Problem | None:
    """Returns why these bytes are not an age file for exactly these recipients, judged by its header; None if they are.

    The header has a stanza for each recipient, of the type of its key. Only the owner of a secret key can prove more.
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
    """Returns why the absence of this file on a node may be in order; empty if it is not."""
    if path.startswith("pki/etcd/") and not answer.has_etcd:
        return "etcd is external, and so is its CA"
    if path.endswith("ca.key") and path in answer.places:
        return "the CA is external: its key is elsewhere, back it up there"
    return ""


def _caution(other: NodeAnswer, best: NodeAnswer, wrong: Sequence[str]) -> Caution | None:
    """Returns what a person should check on a node that does not provide the key material; None if nothing."""
    if wrong:
        return Caution(
            subject=other.node,
            problem=f"its key material is not compared with that of {best.node}: {'; '.join(wrong)}",
            next_step="check this node: `systemctl status kubelet`",
        )
    both = [path for path in SHARED if other.sum_of(path) and best.sum_of(path)]
    different = [best.place_of(path) for path in both if other.sum_of(path) != best.sum_of(path)]
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
        return NotYet(problem, hint="check these nodes; the step is tried again")
    hints = dict.fromkeys(answer.failed.hint for answer in answers if answer.failed and answer.failed.hint)
    return Refused(
        problem,
        hint="; ".join(hints) or "correct nodes or kubeadm.folder, put back what is missing, or leave out --pki",
    )
