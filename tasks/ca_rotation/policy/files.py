"""Checks what each node must have: the files of a CA, what it signed, and the programs that read them.

Anything that is not found is a refusal.
"""

from collections.abc import Iterator

from tasks.ca_rotation.models import Stage
from tasks.ca_rotation.policy.situation import StageSituation, trusted_by
from tasks.certificates.models.inventory import NodeCertificates, Owner
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.kubeadm import KUBELET, KUBELET_CLIENT, Authority

_ONE_FILE = "have all of them read the same file: a rotation of one of them alone would part them"


def of_files(situation: StageSituation) -> Iterator[Finding]:
    """Yields refusals for nodes whose files are unclear.

    Each node must name the files that it reads, and all of its programs must name the same ones.
    """
    for node in situation.nodes:
        trust = situation.trust[node.name]
        if trust.unreached:
            yield refused(node.name, trust.unreached, "check its sshd and its network")
            continue
        if not node.openssl:
            yield refused(node.name, "it has no openssl: nothing could be proven", "install openssl there")
        step = "an external etcd is rotated where it is" if situation.authority is Authority.ETCD else _ONE_FILE
        for problem in trust.problems:
            yield refused(node.name, problem, step)
        for problem in node.problems:
            yield refused(node.name, problem, "correct it: which files its programs use is not known without it")
        if node.is_control_plane and trust.files.trust and not trust.files.key:
            yield refused(
                node.name,
                f"no flag names a key of {trust.files.trust}: it is an external CA",
                "rotate it where its key is",
            )

        yield from _of_leaves(node, situation)
        if situation.authority is Authority.CLUSTER:
            yield from _of_kubelet(node, trust.kubelet_config)


def _of_leaves(node: NodeCertificates, situation: StageSituation) -> Iterator[Finding]:
    """Yields refusals for leaves that a program reads and that are missing, or that another CA signed.

    The rotation would leave such a leaf behind without notice.
    """
    wanted = [
        name
        for name, made in LEAVES.items()
        if made.authority == situation.authority and any(pod in node.manifests for pod in made.pods)
    ]
    if situation.authority is Authority.CLUSTER:
        wanted.append(KUBELET_CLIENT)
    halves = {half.id for half in situation.halves if half}
    for name in wanted:
        found = node.named(name)
        if found is None or found.problem:
            why = found.problem if found else "its certificate is not found"
            yield refused(
                f"{node.name}: {name}",
                f"{why}: who has signed it is not known",
                "run `kube-runbooks run certificate-inventory CLUSTER`",
            )
        elif found.signer not in halves:
            yield refused(
                f"{node.name}: {name}",
                "it is signed by neither the old nor the new one",
                f"find out who issues it: {found.path}; this rotation would not renew it",
            )


def of_others(situation: StageSituation) -> Iterator[Finding]:
    """Yields findings for certificates that this CA has signed and kubeadm has not made.

    This rotation does not sign them again.
    """
    for node in situation.nodes:
        for one in node.certificates:
            if situation.old is None or one.owner is not Owner.OTHER or one.place or one.signer != situation.old.id:
                continue
            named = f" ({one.named_by})" if one.named_by else ""
            told = f"it is signed by the old one, and {one.owner}{named}: this rotation does not sign it again"
            if situation.stage is Stage.DROP_OLD and one.is_others:
                yield refused(one.label, told, "have whoever made it sign it again by the new one, then run this again")
            else:
                step = f"have whoever made it sign it again by the new one, after sign-with-new and before {Stage.DROP_OLD}"
                yield cautioned(one.label, told, step)


def _of_kubelet(node: NodeCertificates, own: str) -> Iterator[Finding]:
    """Yields refusals for a kubelet that is not seen to run, or for kubeconfigs without a CA inside.

    The kubelet reads the CA when it starts, and its kubeconfig contains the CA.
    """
    if node.process(KUBELET) is None:
        yield refused(
            node.name, "its kubelet is not seen to run: what it has read is not known", "systemctl status kubelet"
        )
    there = [config for config in node.kubeconfigs if not config.missing]
    if not any(config.path == own for config in there):
        yield refused(
            node.name,
            f"{own}, the kubeconfig of its kubelet, is not found",
            "run `kube-runbooks run certificate-inventory CLUSTER`",
        )
    for config in there:
        if not trusted_by(node, config.path):
            yield refused(
                f"{node.name}: {config.path}",
                "it contains no CA: what it trusts would not change",
                "write the CA into it as certificate-authority-data, as kubeadm does",
            )
