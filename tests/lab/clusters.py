"""Which clusters the tests have tried: the list that the tests on odd clusters run, and that `docs/clusters.md` is made of.

`python -m tests.lab.clusters` prints the page.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from tests.lab.shape import Shape

ETCD = "3.6.16"
"""Not kubeadm's own 3.6.8: from that one no upgrade leads to the next minor."""

SMALL: dict[str, Any] = {"control_planes": 1, "workers": 1, "etcd": ETCD}

ODD = Shape(
    name="e2e-odd",
    network=105,
    **SMALL,
    ipv6=True,
    dual_stack=True,
    dns_domain="k8s.example",
    certificates_dir="/srv/pki",
    pki_link=True,
    patches=True,
    hand_edited=True,
    encrypted_secrets=True,
    etcd_port=12379,
    bind_address=True,
    kubelet_healthz="node:10348",
    login_noise=True,
    sudo_rs=True,
    legacy_apt_key=True,
    deb822=True,
    hostname_differs=True,
)
"""As much as fits together."""

IPV6 = Shape(name="e2e-ipv6", network=106, **SMALL, ipv6=True, kubelet_healthz="0", deb822=True, patches=True)
KUBESPRAY = Shape(
    name="e2e-kubespray",
    network=107,
    **SMALL,
    dual_stack=True,
    pki_link=True,
    kubelet_healthz="10348",
    bind_address=True,
    legacy_apt_key=True,
    login_noise=True,
)
BY_HAND = Shape(name="e2e-by-hand", network=108, **SMALL, hand_edited=True, hostname_differs=True, sudo_rs=True)
"""Encryption at rest stands in the manifest alone: an upgrade is refused."""

SHAPES = (ODD, IPV6, KUBESPRAY, BY_HAND)
FIRST = (ODD,)
"""On which each run of the test was done one by one."""


class Support(StrEnum):
    """What can be said of a kind of cluster."""

    TRIED = "tried"
    READ_ONLY = "read only"
    REFUSED = "refused"


@dataclass(frozen=True)
class Row:
    """One kind of cluster."""

    about: str
    support: Support
    what: str
    """What was tried, or why it is refused."""
    field: str = ""
    """Of `Shape`: the labs that have it are its evidence."""
    evidence: str = ""
    """A test, where it is not a shape of the lab."""

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of the tests that have it."""
        return tuple(
            shape for shape in SHAPES if self.field and getattr(shape, self.field) != getattr(Shape, self.field)
        )

    @property
    def proven_by(self) -> str:
        """The tests, as a reader runs them."""
        if not self.field:
            return self.evidence
        return "`make e2e`" if set(FIRST) & set(self.shapes) else "`make e2e-full`"


TRIED, READ_ONLY, REFUSED = Support.TRIED, Support.READ_ONLY, Support.REFUSED

OF_SHAPES = (
    Row("IPv6 addresses, with IPv4 beside them", TRIED, "every runbook", "ipv6"),
    Row("dual stack, IPv6 first", TRIED, "every runbook", "dual_stack"),
    Row("`networking.dnsDomain` is not `cluster.local`", TRIED, "every runbook", "dns_domain"),
    Row(
        "`certificatesDir` is not `/etc/kubernetes/pki`",
        TRIED,
        "every runbook; `certificate_issue` refuses, with the command for the link that it needs",
        "certificates_dir",
    ),
    Row("the folder of the certificates is a link (kubespray)", TRIED, "every runbook", "pki_link"),
    Row(
        "kubeadm's `patches`",
        TRIED,
        "every runbook; `rolling_upgrade` needs `upgrade.patches` in the profile and refuses if the folders differ",
        "patches",
    ),
    Row(
        "manifests edited by hand: audit, OIDC, mounts",
        TRIED,
        "every runbook; `rolling_upgrade` names each flag, mount and volume that kubeadm removes, and continues if that is approved",
        "hand_edited",
    ),
    Row(
        "encryption at rest, by `kubeadm-config`",
        TRIED,
        "every runbook; `make e2e-full` reads a Secret after the upgrade",
        "encrypted_secrets",
    ),
    Row("the API server reaches etcd on loopback, at another port than 2379", TRIED, "every runbook", "etcd_port"),
    Row("the API server listens on one address only (`--bind-address`)", TRIED, "every runbook", "bind_address"),
    Row("kubelet's healthz at another address or port", TRIED, "every runbook", "kubelet_healthz"),
    Row("a login that prints (`.bashrc`, a banner)", TRIED, "every runbook", "login_noise"),
    Row("sudo-rs instead of sudo", TRIED, "every runbook", "sudo_rs"),
    Row("a repository that makes apt warn (its key is in `trusted.gpg`)", TRIED, "every runbook", "legacy_apt_key"),
    Row("a `.sources` file with several stanzas", TRIED, "every runbook", "deb822"),
    Row("a hostname that is not the node's name", TRIED, "every runbook", "hostname_differs"),
)
OTHERS = (
    Row(
        "1 or 3 control plane nodes behind a load balancer, etcd beside them",
        TRIED,
        "every runbook",
        evidence="`make e2e`",
    ),
    Row(
        "an external etcd, a bastion in front of all nodes",
        TRIED,
        "restore, `certificate_issue`",
        evidence="`make e2e`",
    ),
    Row(
        "encryption at rest that is only in the API server's manifest",
        REFUSED,
        "by `rolling_upgrade`: the new API server could not read the Secrets. Add it to `kubeadm-config` first; the other runbooks were tried",
        evidence="`make e2e-full`",
    ),
    Row(
        "dnf and zypper",
        READ_ONLY,
        "only recorded output was parsed; no such node was patched",
        evidence="`make test`",
    ),
)
ROWS = (*OF_SHAPES, *OTHERS)


def page() -> str:
    """`docs/clusters.md`."""
    return "\n".join([_HEAD, *(_line(row) for row in ROWS), _MIDDLE, *_fields(), ""])


def _line(row: Row) -> str:
    return f"| {row.about} | {row.support} | {row.what} | {row.proven_by} |"


def _fields() -> Iterator[str]:
    for shape in SHAPES:
        own = {
            field.name: getattr(shape, field.name) for field in fields(Shape) if field.name not in {"name", "network"}
        }
        odd = [row.field for row in OF_SHAPES if shape in row.shapes]
        said = [name if own[name] is True else f"{name} {own[name]}" for name in odd]
        runs = "`make e2e`" if shape in FIRST else "`make e2e-full`"
        yield f"| `{shape.name}` | {runs} | {', '.join(said)} |"


_HEAD = """\
# Which clusters are supported

- *tried*: the runbooks of the third column ran on a real kubeadm cluster of this kind.
  Which of them ran with `--mode apply` is [below](#the-clusters-of-the-tests) and in [e2e-full.md](e2e-full.md).
- *read only*: plans and inventories are tested, changes are not.
- *refused*: the run says so and changes nothing.

If the table does not list your kind of cluster, nobody tried it.
Start with `--mode plan`: it changes nothing, and shows where a runbook reads each fact ([cluster-shape.md](cluster-shape.md)).

The runbooks need the manifest of an API server on each control plane node.
k3s, RKE2, Talos and managed control planes have no such manifest, so a run finds no control plane node there.

`python -m tests.lab.clusters` writes this page from the list of clusters that the tests run.

| a cluster with | support | what was tried | tested by |
|---|---|---|---|"""
_MIDDLE = """
## The clusters of the tests

Each has one control plane node and one worker node.
`make lab-up ARGS="--ipv6 --dual-stack …"` starts such a cluster by hand.

On `e2e-odd`, `make e2e` runs every runbook with `--mode plan`.
It then takes a backup with a drill, drains and uncordons a node, and renews all leaf certificates with `--mode apply`.
`make e2e-full` also upgrades this cluster, and repeats all of this on the other clusters.
All of it passed on each of them. The upgrade of `e2e-by-hand` is refused, as it should be: kubeadm would remove its encryption at rest.

| name | tested by | what it has |
|---|---|---|"""


if __name__ == "__main__":
    print(page(), end="")
