"""Finds the Kubernetes repositories that a node's package manager knows, and the same ones for another minor.

The node prints its source files unchanged, and only this module parses them. They are apt's one-line lists, its
deb822 stanzas and dnf's sections. No library does this for us. python-debian reads deb822 but no one-line list,
and is GPL. python-apt is on no index. configparser forgets comments and where a value stood. So one small reader
handles all three, and knows the place of each minor in its file. `tests/component/test_apt.py` compares it with
what apt itself makes of the same files.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MINOR = re.compile(r"core(?::|%3[Aa])?/stable(?::|%3[Aa])?/v(\d+\.\d+)(?![\w.])")
"""Matches the minor in the name of a community repository or a mirror of it. Some mirrors leave out the colons."""

_READ_BY_APT = re.compile(r"[A-Za-z0-9_.-]+\.(?:list|sources)")
"""Matches the names of files that apt reads. It ignores all others."""

_PLACE = "\0"
"""Marks the place of the minor in the text of a copy."""


@dataclass(frozen=True)
class SourceFile:
    """Holds a source file of a package manager, unchanged."""

    path: str
    data: bytes

    @property
    def text(self) -> str:
        """Returns the text, whatever its bytes are. `encoded` converts it back to the same bytes."""
        return self.data.decode(errors="surrogateescape")


@dataclass(frozen=True)
class Repository:
    """Describes a Kubernetes repository that is in use: a line, a stanza or a section of a file."""

    path: str
    minor: str
    places: tuple[int, ...]
    """It lists every position in the file's text where the minor begins."""
    body: str
    """It holds the content of a file that names only this repository, without its source packages.

    It is empty if the repository has nothing but source packages.
    """

    def for_minor(self, minor: str) -> str:
        """Returns the content of a file that names the same repository for another minor."""
        return self.body.replace(_PLACE, minor)

    @property
    def order(self) -> tuple[int, ...]:
        """Returns the key that sorts repositories by their minor."""
        return _numbers(self.minor)


@dataclass(frozen=True)
class Rewritten:
    """Holds a file of the node as it was, and as it is to be."""

    path: str
    before: bytes
    after: bytes


def repositories_of(files: Iterable[SourceFile]) -> tuple[Repository, ...]:
    """Returns the Kubernetes repositories that are in use, in the order of the files."""
    return tuple(one for file in files for one in _reader_of(file.path)(file.path, file.text))


def minors_of(files: Iterable[SourceFile]) -> dict[str, str]:
    """Maps each file to the newest minor that it names."""
    found = sorted(repositories_of(files), key=lambda one: one.order)
    return {one.path: one.minor for one in found}


def copies_for(files: Iterable[SourceFile], minor: str) -> dict[str, bytes]:
    """Maps file names to contents that make the repositories of this minor known, and no others."""
    found: dict[str, dict[str, None]] = {}
    for one in _that_lead_to(minor, repositories_of(files)):
        if one.body:
            name = f"target{PurePosixPath(one.path).suffix}"
            found.setdefault(name, {})[one.for_minor(minor)] = None
    return {name: encoded("\n".join(bodies)) for name, bodies in found.items()}


def rewritten_for(files: Sequence[SourceFile], minor: str) -> tuple[Rewritten, ...]:
    """Returns the files that must be written to name this minor. No other byte in them changes."""
    places: dict[str, list[tuple[int, int]]] = {}
    for one in _that_lead_to(minor, repositories_of(files)):
        if one.minor != minor:
            places.setdefault(one.path, []).extend((place, len(one.minor)) for place in one.places)
    return tuple(
        Rewritten(file.path, file.data, encoded(_replaced(file.text, places[file.path], minor)))
        for file in files
        if file.path in places
    )


def encoded(text: str) -> bytes:
    """Returns the bytes from which `SourceFile.text` was read."""
    return text.encode(errors="surrogateescape")


def _that_lead_to(minor: str, found: Sequence[Repository]) -> Sequence[Repository]:
    """Returns the repositories of the minor, or those of the newest minor if it has none.

    The others are not used by any upgrade.
    """
    there = [one for one in found if one.minor == minor]
    newest = max((one.order for one in found), default=())
    return there or [one for one in found if one.order == newest]


def _replaced(text: str, places: Iterable[tuple[int, int]], minor: str) -> str:
    for place, length in sorted(places, reverse=True):
        text = text[:place] + minor + text[place + length :]
    return text


def _reader_of(path: str) -> Callable[[str, str], Iterator[Repository]]:
    file = PurePosixPath(path)
    if file.suffix in {".repo", ".conf"}:
        return _sections
    if not _READ_BY_APT.fullmatch(file.name):
        return _nothing
    return _stanzas if file.suffix == ".sources" else _one_lines


def _nothing(_: str, __: str) -> Iterator[Repository]:
    return iter(())


# --- apt: a repository a line

_COMMENT = re.compile(r"((?:\[[^\]]*\]|[^#])*).*")
"""Matches a line with its comment. A # within brackets does not start a comment."""

_ONE_LINE = re.compile(r'\s*(?P<kind>deb|deb-src)\s+(?:\[[^\]]*\]\s*)?(?P<uri>"[^"]*"|\S+)\s')


def _one_lines(path: str, text: str) -> Iterator[Repository]:
    for offset, line in _lines(text):
        used = _COMMENT.sub(r"\1", line)
        found = _ONE_LINE.match(used)
        if found and (minor := MINOR.search(found["uri"])):
            start = found.start("uri") + minor.start(1)
            body = f"{used[:start]}{_PLACE}{used[start + len(minor[1]) :]}".strip()
            yield Repository(path, minor[1], (offset + start,), f"{body}\n" if found["kind"] == "deb" else "")


# --- apt: deb822, and dnf's sections


@dataclass
class _Field:
    """Holds a field `Name: value`, which may span several lines. Each line has the position where it begins."""

    name: str
    lines: list[tuple[int, str]]

    @property
    def words(self) -> list[str]:
        return " ".join(line for _, line in self.lines).split()

    def minors(self) -> Iterator[tuple[int, str]]:
        """Yields each minor in the value, with the position where it begins."""
        for offset, line in self.lines:
            for found in MINOR.finditer(line):
                yield offset + found.start(1), found[1]


Fields = dict[str, _Field]
"""Holds the fields of a stanza or a section. If a name occurs twice, the last one counts, as for apt."""

_OFF = frozenset({"no", "false", "without", "off", "disable"})
"""Lists the words that disable a repository. Each zero disables it, too."""


def _stanzas(path: str, text: str) -> Iterator[Repository]:
    for fields in _paragraphs(text):
        uris, kinds = fields.get("uris"), fields.get("types")
        if uris is None or kinds is None or _is_off(fields.get("enabled")):
            continue
        found = list(uris.minors())
        rest = "".join(_in_words(one, ":") for name, one in fields.items() if name not in {"uris", "types"})
        for minor in dict.fromkeys(minor for _, minor in found):
            named = " ".join(
                _with_place(word, one)
                for word in uris.words
                if (one := MINOR.search(word)) is not None and one[1] == minor
            )
            body = f"Types: deb\nURIs: {named}\n{rest}" if "deb" in kinds.words else ""
            yield Repository(path, minor, tuple(place for place, one in found if one == minor), body)


def _with_place(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start(1)]}{_PLACE}{text[found.end(1) :]}"


def _paragraphs(text: str) -> Iterator[Fields]:
    """Yields the stanzas, which end at an empty line. A line of spaces alone is not empty for apt.

    Comments are left out everywhere.
    """
    fields: Fields = {}
    last: _Field | None = None
    for offset, line in _lines(text):
        if line.startswith("#"):
            continue
        if not line:
            if fields:
                yield fields
            fields, last = {}, None
        elif line[0] in " \t":
            if last:
                last.lines.append((offset, line))
        else:
            last = _field(offset, line, ":")
            fields[last.name.lower()] = last
    if fields:
        yield fields


_NOT_IN_COPY = frozenset({"exclude", "excludepkgs", "skip_if_unavailable"})
"""Lists the settings that a copy leaves out.

They hide packages of a section (those of Kubernetes, as its documentation recommends), or allow an unavailable
section.
"""

_URLS = ("baseurl", "mirrorlist", "metalink")


def _sections(path: str, text: str) -> Iterator[Repository]:
    for head, fields in _parts(text):
        urls = [fields[name] for name in _URLS if name in fields]
        newest = max((minor for one in urls for _, minor in one.minors()), default="", key=_numbers)
        if not newest or _is_off(fields.get("enabled")):
            continue
        named = [one for name, one in fields.items() if name not in _NOT_IN_COPY]
        places = [
            place for one in (*urls, fields.get("gpgkey")) if one for place, minor in one.minors() if minor == newest
        ]
        body = "".join((f"{head}\n", *(_in_words(one, "=", newest) for one in named), "skip_if_unavailable=0\n"))
        yield Repository(path, newest, tuple(places), body)


def _parts(text: str) -> Iterator[tuple[str, Fields]]:
    """Yields each line `[id]` with the fields below it."""
    head, fields = "", Fields()
    last: _Field | None = None
    for offset, line in _lines(text):
        if not line.strip() or line[0] in "#;":
            continue
        if line.startswith("["):
            yield head, fields
            head, fields, last = line, {}, None
        elif line[0] in " \t":
            if last:
                last.lines.append((offset, line))
        else:
            last = _field(offset, line, "=")
            fields[last.name] = last
    yield head, fields


def _field(offset: int, line: str, delimiter: str) -> _Field:
    name, _, value = line.partition(delimiter)
    return _Field(name.strip(), [(offset + len(line) - len(value), value)])


def _in_words(one: _Field, delimiter: str, minor: str = "") -> str:
    """Formats a field as a file has it, without comments. The place of `minor` is marked so that another can replace it."""
    value = "\n".join(line for _, line in one.lines)
    if minor:
        value = MINOR.sub(lambda found: found[0].removesuffix(minor) + _PLACE if found[1] == minor else found[0], value)
    return f"{one.name}{delimiter}{value}\n"


def _is_off(one: _Field | None) -> bool:
    """Checks whether a repository is disabled. A value that is not recognised means enabled, for apt and for dnf."""
    said = one.words[0].lower() if one and one.words else ""
    return said in _OFF or (said.isdecimal() and int(said) == 0)


def _numbers(minor: str) -> tuple[int, ...]:
    return tuple(int(part) for part in minor.split("."))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields each line without its end, with the position where it begins."""
    offset = 0
    for line in text.split("\n"):
        yield offset, line.removesuffix("\r")
        offset += len(line) + 1
