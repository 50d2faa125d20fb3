"""Compares the names that kubeadm would now give a certificate with those that it has."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.certificate_issue.policy.leaves import API_SERVER, NameSources, names_of
from tasks.certificates.models.inventory import Certificate, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES, NAMED_BY_CONFIGURATION
from tasks.core.models.base import Model
from tasks.core.models.names import host_of, is_possible, named, normals

Configuration = Mapping[str, Any]


class NameChange(Model):
    """Describes the difference between the names of a certificate and those of kubeadm's configuration."""

    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """It lists names that the configuration lacks.

    A person or an earlier configuration added them. kubeadm's renewal keeps them.
    """
    lost: tuple[str, ...] = ()
    """It lists names that the configuration lacks and cannot express. A new certificate would not have them."""
    impossible: tuple[str, ...] = ()
    """It lists names of the configuration that kubeadm does not accept."""

    @property
    def is_due(self) -> bool:
        """True if a new certificate would have more names and lose none."""
        return bool(self.added) and not self.lost

    @property
    def in_words(self) -> str:
        """Returns the change as text, for example `+DNS:api.new, keeps IP:10.0.0.9`. The result is empty if no name is added."""
        if not self.is_due:
            return ""
        kept = f", keeps {', '.join(self.kept)}" if self.kept else ""
        return " ".join(f"+{name}" for name in self.added) + kept


def name_changes(node: NodeCertificates, configuration: Configuration) -> dict[str, NameChange]:
    """Returns the name change of each readable leaf on the node."""
    found = {leaf: node.named(leaf) for leaf in LEAVES}
    return {leaf: change_of(one, leaf, node, configuration) for leaf, one in found.items() if one and not one.problem}


def change_of(one: Certificate, leaf: str, node: NodeCertificates, configuration: Configuration) -> NameChange:
    """Returns the name change of one leaf on the node."""
    return name_change(leaf, one.names, configuration, node.name, node.advertises)


def name_change(leaf: str, has: Sequence[str], configuration: Configuration, node: str, address: str) -> NameChange:
    """Returns the name change of a certificate on a node that advertises this address.

    The result is empty if the configuration does not set the names of this certificate, or if there is no configuration or address.
    """
    if leaf not in NAMED_BY_CONFIGURATION or not configuration or not address:
        return NameChange()
    wanted, found = names_by_kubeadm(leaf, configuration, node, address), set(normals(has))
    more = sorted(found - wanted)
    return NameChange(
        added=tuple(sorted(one for one in wanted - found if is_possible(one))),
        kept=tuple(one for one in more if is_possible(one)),
        lost=tuple(one for one in more if not is_possible(one)),
        impossible=tuple(sorted(one for one in wanted if not is_possible(one))),
    )


def names_by_kubeadm(leaf: str, configuration: Configuration, node: str, address: str) -> set[str]:
    """Returns the names that kubeadm gives a certificate on a node that advertises this address."""
    networking = configuration.get("networking") or {}
    sources = NameSources(
        node=node,
        address=address,
        endpoint=host_of(str(configuration.get("controlPlaneEndpoint") or "")),
        service_subnet=str(networking.get("serviceSubnet") or NameSources.model_fields["service_subnet"].default),
        dns_domain=str(networking.get("dnsDomain") or NameSources.model_fields["dns_domain"].default),
        more=_more(leaf, configuration),
    )
    return set(names_of(leaf, sources))


def with_names(configuration: Configuration, kept: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Returns the configuration with the kept names of each leaf added, so that kubeadm issues them too.

    All names have one normal form. Names that kubeadm does not accept are left out.
    """
    made = dict(configuration)
    for leaf in NAMED_BY_CONFIGURATION:
        names = normals([*map(named, _more(leaf, configuration)), *kept.get(leaf, ())])
        plain = [name.partition(":")[2] for name in names if is_possible(name)]
        if leaf == API_SERVER:
            made |= {"apiServer": {"certSANs": plain}} if plain else {}
        elif plain and "external" not in (made.get("etcd") or {}):
            made["etcd"] = {"local": {**((made.get("etcd") or {}).get("local") or {}), _FIELD[leaf]: plain}}
    return made


_FIELD = {"etcd-server": "serverCertSANs", "etcd-peer": "peerCertSANs"}


def _more(leaf: str, configuration: Configuration) -> tuple[str, ...]:
    """Returns the names that the configuration adds to kubeadm's own."""
    if leaf == API_SERVER:
        found = (configuration.get("apiServer") or {}).get("certSANs")
    else:
        found = ((configuration.get("etcd") or {}).get("local") or {}).get(_FIELD[leaf])
    return tuple(str(name) for name in found or ())
