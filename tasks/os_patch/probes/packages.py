"""Parses what a package manager reports that it would do, from the output of apt, dnf and zypper.

The parsers are pure. Only apt is proven end to end. The output of dnf and zypper was read from recordings.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree as ET

from tasks.core.models.base import Model
from tasks.os_patch.models.packages import Change


class Preview(Model):
    """This is what a package manager would do."""

    changes: tuple[Change, ...] = ()
    removals: tuple[str, ...] = ()
    kept_back: tuple[str, ...] = ()


# --- apt

_INST = re.compile(r"^Inst (?P<name>\S+) (?:\[(?P<before>[^\]]*)\] )?\((?P<after>\S+) (?P<origins>.*?) ?\[[^\]]*\]\)")
"""Matches `Inst openssl [3.0.20-1] (3.0.22-1 Debian-Security:12/oldstable-security [amd64])`.

The packages that are unpacked before it follow.
"""

_SECURITY = re.compile(r"-[Ss]ecurity(:|$)")
"""Matches a security origin, written as `LABEL:VERSION/ARCHIVE`.

Debian marks both parts; Ubuntu marks the archive (jammy-security, jammy-apps-security).
"""

_KEPT_BACK = re.compile(
    r"^The following (?:packages have been kept back|upgrades have been deferred due to phasing):\n((?: .*\n)+)",
    re.MULTILINE,
)


def parse_apt(text: str) -> Preview:
    """Parses the output of `apt-get --simulate upgrade`."""
    return Preview(
        changes=tuple(
            Change(
                package=found["name"],
                before=found["before"] or "",
                after=found["after"],
                origins=(origins := tuple(part.strip() for part in found["origins"].split(",") if part.strip())),
                security=any(_SECURITY.search(origin) for origin in origins),
            )
            for line in text.splitlines()
            if (found := _INST.match(line))
        ),
        removals=tuple(line.split()[1] for line in text.splitlines() if line.startswith("Remv ")),
        kept_back=tuple(name for block in _KEPT_BACK.findall(text) for name in block.split()),
    )


# --- dnf

_SECTIONS = {"Installing": True, "Upgrading": True, "Reinstalling": True, "Downgrading": True, "Removing": False}
"""Maps the first word of each heading in dnf's transaction table.

The value is True if its packages are installed, False if they are removed.
"""

_COLUMNS = 4
"""Counts the columns that are read: name, architecture, version, repository. The size follows and is not read."""


def parse_dnf(text: str, installed: Mapping[str, str], *, security: bool) -> Preview:
    """Parses the output of `dnf upgrade --assumeno`, versions 4 and 5.

    `installed` holds the current versions by `name.arch`. A long name has its own line, and the rest of its row
    is on the next one. Below a row, dnf 5 lists what it replaces.
    """
    changes, removals, comes, row = [], [], None, list[str]()
    for line in text.splitlines():
        if not line.startswith(" "):
            heading = re.match(r"^([A-Z][a-z]+)[a-z -]*:$", line)
            comes, row = _SECTIONS.get(heading[1]) if heading else None, []
        elif comes is None or line.strip().startswith("replacing "):
            row = []
        elif len(row := [*row, *line.split()]) >= _COLUMNS:
            name = f"{row[0]}.{row[1]}"
            if comes:
                version = row[2].removeprefix("0:")
                before = "" if installed.get(name) == version else installed.get(name, "")
                changes.append(Change(package=name, before=before, after=version, origins=(row[3],), security=security))
            else:
                removals.append(name)
            row = []
    return Preview(changes=tuple(changes), removals=tuple(removals))


# --- zypper


def parse_zypper(text: str, *, security: bool) -> Preview:
    """Parses the output of `zypper --xmlout update --dry-run`, or of `patch`. Text around the XML is ignored."""
    begin, end = text.find("<stream"), text.rfind("</stream>")
    if begin < 0 or end < 0:
        return Preview()
    summary = ET.fromstring(text[begin : end + len("</stream>")]).find("install-summary")  # noqa: S314 - of our own node
    if summary is None:
        return Preview()
    return Preview(
        changes=tuple(
            Change(
                package=_zypper_name(one),
                before=one.get("edition-old", ""),
                after=one.get("edition", ""),
                origins=(one.get("repository", ""),) if one.get("repository") else (),
                security=security,
            )
            for section in summary
            if section.tag != "to-remove"
            for one in _packages(section)
        ),
        removals=tuple(_zypper_name(one) for one in _packages(summary.find("to-remove"))),
    )


def _packages(section: Iterable[ET.Element] | None) -> Iterable[ET.Element]:
    return (one for one in section or () if (one.get("type") or one.get("kind")) == "package")


def _zypper_name(one: ET.Element) -> str:
    return f"{one.get('name')}.{one.get('arch')}"


# --- what has become of it


def delta_of(was: Sequence[tuple[str, str]], now: Sequence[tuple[str, str]]) -> tuple[Change, ...]:
    """Returns the differences between two lists of names with versions. A removed package has no version after."""
    before = {name: version for name, version in was if (name, version) not in set(now)}
    after = {name: version for name, version in now if (name, version) not in set(was)}
    names = sorted(before.keys() | after.keys())
    return tuple(Change(package=name, before=before.get(name, ""), after=after.get(name, "")) for name in names)


def without(preview: Preview, protected: Iterable[str]) -> Preview:
    """Returns the preview without the protected packages, which may be named with or without their architecture."""
    names = set(protected)
    kept = tuple(one for one in preview.changes if one.package not in names and _bare(one.package) not in names)
    return preview.model_copy(update={"changes": kept})


def _bare(name: str) -> str:
    return name.rpartition(".")[0]
