"""Writes the text of a profile.

It contains what the cluster reports, what a person gave, and what is left to fill in.
"""

import json
from collections.abc import Iterator

from tasks.core.models.profile import Kubeadm
from tasks.draft.models import Draft, Given, Seen

WIDTH = 24
"""This is the width from the start of a line to the comment that says what to fill in."""

WIDE = 56
"""This is the same for a line that is itself a comment: a field that not every cluster needs."""


def draft_profile(name: str, seen: Seen, given: Given) -> Draft:
    """Writes a profile that is valid once the remaining fields are filled in."""
    left: list[str] = []
    lines = [
        f"# Written by `kube-runbooks init` from the cluster at {seen.server}. docs/profile.md explains every field.",
        *([f"# Its control plane endpoint: {seen.endpoint}"] if seen.endpoint else []),
        f"name: {_word(name)}",
        "",
        *_nodes(seen, left),
        "",
        *_ssh(seen, given, left),
        *_kubeadm(seen),
        *_etcd(seen, left),
        "",
        *_store(given, left),
    ]
    return Draft(text="\n".join(lines) + "\n", left=(*left, *seen.problems))


def _nodes(seen: Seen, left: list[str]) -> Iterator[str]:
    yield "nodes:"
    for node in sorted(seen.nodes, key=lambda one: not one.control_plane):
        role = "  # control plane" if node.control_plane else ""
        if node.address:
            yield f"  - {{name: {_word(node.name)}, address: {_word(node.address)}}}{role}"
        else:
            left.append(f"nodes: the address of {node.name}, which the API does not have")
            yield f"  - {{name: {_word(node.name)}, address: }}  # FILL IN the address where SSH reaches it"
    if not seen.nodes:
        left.append("nodes: the API has none")


def _ssh(seen: Seen, given: Given, left: list[str]) -> Iterator[str]:
    hosts = " ".join(node.address for node in seen.nodes if node.address)
    yield "ssh:"
    yield _filled("user", given.ssh_user, "who logs in on every node, with sudo or as root", left, "ssh.user")
    yield _filled(
        "key", given.ssh_key, "its private key, for example file:/etc/kube-runbooks/id_ed25519", left, "ssh.key"
    )
    how = f"a file with the nodes' host keys: ssh-keyscan {hosts} > FILE, then compare them with the nodes' own"
    yield _filled("known_hosts", given.known_hosts, how, left, "ssh.known_hosts")
    if given.ssh_user == "root":
        yield "  sudo: false"


def _kubeadm(seen: Seen) -> Iterator[str]:
    """Yields kubeadm's folder. It yields nothing for the default folder."""
    if seen.folder and seen.folder != Kubeadm().folder:
        yield ""
        yield "kubeadm:"
        yield f"  folder: {_word(str(seen.folder))}"


def _etcd(seen: Seen, left: list[str]) -> Iterator[str]:
    """Yields lines about external etcd members.

    Members that are static pods are found on the nodes. Other members are found through the API servers that are
    configured with them.
    """
    if not seen.external_etcd:
        return
    urls = ", ".join(seen.external_etcd)
    left.append(
        f"etcd is external ({urls}): add its machines to nodes:, and each as `node` of an entry of etcd.endpoints"
    )
    yield ""
    yield "# etcd is external. The control plane nodes lead to it; for a restore, add its machines to nodes: and name them here."
    yield "# etcd:"
    yield "#   endpoints:"
    for url in seen.external_etcd:
        yield f"#     - {{url: {_word(url)}, node: }}"


def _store(given: Given, left: list[str]) -> Iterator[str]:
    yield "store:"
    yield _filled("bucket", given.bucket, "for backups and reports", left, "store.bucket")
    optional = (
        ("endpoint", given.endpoint, '"https://s3.example.org"', "needed for every S3 server other than AWS"),
        ("region", given.region, '"eu-central-1"', "needed if the bucket is not in us-east-1, the default"),
    )
    for field, value, example, when in optional:
        yield f"  {field}: {_word(value)}" if value else f"{f'  # {field}: {example}':<{WIDE}}# {when}"
    keys = "needed unless boto3 finds the keys: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws, or the host's role"
    yield f"{'  # access_key: file:/etc/kube-runbooks/s3-access-key':<{WIDE}}# {keys}"
    yield f"{'  # secret_key: file:/etc/kube-runbooks/s3-secret-key':<{WIDE}}# needed with access_key; each file has one key"


def _filled(field: str, value: str, how: str, left: list[str], place: str) -> str:
    if value:
        return f"  {field}: {_word(value)}"
    left.append(f"{place}: {how}")
    return f"{f'  {field}:':<{WIDTH}}# FILL IN {how}"


def _word(text: str) -> str:
    """Returns a text as valid YAML, whatever it contains: JSON is YAML."""
    return json.dumps(text)
