"""Judges certificates that a program uses together with a key that is not renewed with them."""

from collections.abc import Collection, Iterator

from tasks.certificates.models.inventory import NodeCertificates
from tasks.core.models.findings import Finding, cautioned, refused


def of_split_pairs(node: NodeCertificates, made: Collection[str]) -> Iterator[Finding]:
    """Yields a refusal for each leaf that a run would make although a program uses only half of the pair.

    The program would not start with the other half. A leaf that the run leaves alone is a caution.
    """
    for leaf, why in node.split_pairs.items():
        tell = refused if leaf in made else cautioned
        yield tell(
            f"{node.name}: {leaf}",
            f"{why}: after that the certificate and the key of the program do not match",
            "in its manifest name both files of kubeadm, or two that are not kubeadm's",
        )
