"""Where a machine's apt has Kubernetes from: a line, or a file of stanzas."""

from tests.lab import packages, updates
from tests.lab.machine import Machine
from tests.lab.services import PACKAGES
from tests.lab.shape import Shape

LINE, STANZAS = "/etc/apt/sources.list.d/kubernetes.list", "/etc/apt/sources.list.d/kubernetes.sources"


def path(shape: Shape) -> str:
    """The file of the machines' source."""
    return STANZAS if shape.deb822 else LINE


def write(machine: Machine) -> None:
    """Of the cluster's minor."""
    shape = machine.shape
    mirror = f"http://{shape.gateway}:{PACKAGES}"
    kubernetes = f"{mirror}/{packages.SIGNED}" if shape.legacy_apt_key else mirror
    place = f"{kubernetes}/{packages.place_of(shape.kubernetes)}/"
    if shape.deb822:
        trusted = "" if shape.legacy_apt_key else "trusted: yes\n"
        debian = f"{mirror}/{updates.published().name}/{updates.Archive.OLD}/"
        text = _STANZAS.format(disabled=f"{mirror}/core:/stable:/v1.30/deb/", uri=place, trusted=trusted, debian=debian)
    else:
        text = f"deb {'' if shape.legacy_apt_key else '[trusted=yes] '}{place} /\n"
    machine.write(path(shape), text, mode="644")


_STANZAS = """\
# By hand.
Types: deb
URIs: {disabled}
Suites: /
Enabled: no

types: deb
uris:
  {uri}
suites: /
{trusted}
Types: deb
URIs: {debian}
Suites: /
Trusted: yes
"""
