"""Which names a certificate would have if kubeadm made it now, beside those that it has."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.certificate_issue.policy.leaves import API_SERVER, NameSources, names_of
from tasks.certificates.models.inventory import Certificate, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES, NAMED_BY_CONFIGURATION
from tasks.core.models.base import Model
from tasks.core.models.names import host_of, is_possible, named, normals

Configuration = Mapping[str, Any]


class NameChange(Model):
    """The difference between the names of one certificate and those that kubeadm's configuration gives it."""

    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Not of the configuration: somebody gave it these by hand, or an earlier configuration did. kubeadm's renewal keeps them."""
    lost: tuple[str, ...] = ()
    """The same, but of a kind that kubeadm's configuration cannot have: a new certificate would be without them."""
    impossible: tuple[str, ...] = ()
    """Names of the configuration that kubeadm does not accept."""

    @property
    def is_due(self) -> bool:
        """A new certificate has more names, and all that the old one has."""
        return bool(self.added) and not self.lost

    @property
    def in_words(self) -> str:
        """`+DNS:api.new, keeps IP:10.0.0.9`; empty where nothing comes."""
        if not self.is_due:
            return ""
        kept = f", keeps {', '.join(self.kept)}" if self.kept else ""
        return " ".join(f"+{name}" for name in self.added) + kept


def name_changes(node: NodeCertificates, configuration: Configuration) -> dict[str, NameChange]:
    """Of each leaf of the node that can be read."""
    found = {leaf: node.named(leaf) for leaf in LEAVES}
    return {leaf: change_of(one, leaf, node, configuration) for leaf, one in found.items() if one and not one.problem}


def change_of(one: Certificate, leaf: str, node: NodeCertificates, configuration: Configuration) -> NameChange:
    """Of one leaf of the node."""
    return name_change(leaf, one.names, configuration, node.name, node.advertises)


def name_change(leaf: str, has: Sequence[str], configuration: Configuration, node: str, address: str) -> NameChange:
    """The difference on a node that advertises that address; none for a certificate whose names the configuration has no say in, or without one."""
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
    """Those that kubeadm gives it on that node, which advertises that address."""
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
    """The same configuration, by which kubeadm also gives each leaf the names that are kept; in the one form, without impossible ones."""
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
    """Names that the configuration gives beside kubeadm's own."""
    if leaf == API_SERVER:
        found = (configuration.get("apiServer") or {}).get("certSANs")
    else:
        found = ((configuration.get("etcd") or {}).get("local") or {}).get(_FIELD[leaf])
    return tuple(str(name) for name in found or ())
