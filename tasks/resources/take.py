"""Reads all objects at one instant, and stores the files of those that changed since the previous backup."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.backup.archive import seal
from tasks.clients.kube import JSON
from tasks.cluster import Cluster
from tasks.core.logs import log_about
from tasks.core.models.plan import Skip
from tasks.resources.models import Entry, Kind, LeftOut, Manifest, Pack
from tasks.resources.observe import Expired, Reader, Unread
from tasks.resources.packs import Packer
from tasks.resources.policy.contents import File, file_of, to_file, why_left_out, writers_of
from tasks.resources.policy.kinds import place_of, why_filtered
from tasks.resources.store import resources_of

INSTANTS = 3
"""Limits how often the reading begins with a new instant, because the API compacted the previous one."""

NO_RECIPIENTS = "values of Secrets"


@dataclass
class Previous:
    """Holds the files that exist already, by the uid of their object."""

    by_uid: dict[str, Entry] = field(default_factory=dict)
    packs: dict[str, Pack] = field(default_factory=dict)
    has_same_rules: bool = False
    has_same_recipients: bool = False

    def same(self, kind: Kind, head: JSON) -> Entry | None:
        """Returns the entry of an object that nobody has written since; None if there is none."""
        found = self.of(kind, head)
        return found if found and found.resource_version == head.get("resourceVersion") else None

    def of(self, kind: Kind, head: JSON) -> Entry | None:
        """Returns the entry of an object whose file can be used again; None if there is none."""
        found = self.by_uid.get(head.get("uid", ""))
        if found is None or (found.version, found.kind) != (kind.version, kind.kind) or found.name != head.get("name"):
            return None
        is_usable = self.has_same_rules and found.pack in self.packs
        if kind.label == "secrets":
            is_usable = is_usable and self.has_same_recipients and (not found.sealed or found.sealed in self.packs)
        return found if is_usable else None

    def remember(self, entries: Sequence[Entry], packs: Mapping[str, Pack]) -> None:
        """Lets a second reading use the files of the first one, and none that other rules or recipients made."""
        if not self.has_same_rules:
            self.by_uid = {}
        elif not self.has_same_recipients:
            self.by_uid = {uid: one for uid, one in self.by_uid.items() if (one.group, one.kind) != ("", "Secret")}
        self.has_same_rules = self.has_same_recipients = True
        self.packs |= packs
        self.by_uid |= {one.uid: one for one in entries if one.pack}


@dataclass
class Taken:
    """Holds what was read, and which packs it is in."""

    instant: str = ""
    why_not: str = ""
    entries: list[Entry] = field(default_factory=list)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    not_read: list[Skip] = field(default_factory=list)
    later: list[Skip] = field(default_factory=list)
    dumped: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Returns the number of objects of each kind."""
        labels = (f"{one.resource}.{one.group}" if one.group else one.resource for one in self.entries)
        return dict(sorted(Counter(labels).items()))

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Returns what was left out on purpose."""
        return tuple(LeftOut(what=what, count=count, reason=why) for (what, why), count in sorted(self.left.items()))


class Take:
    """Reads the kinds of a cluster into packs."""

    def __init__(self, handle: Cluster, previous: Previous, run_id: str) -> None:
        self._handle, self._previous, self._run = handle, previous, run_id
        self._store = resources_of(handle)
        self._rules, self._recipients = handle.profile.resources, handle.profile.backup.recipients
        self.reader = Reader(handle.kube)
        self.new: dict[str, Pack] = {}
        self._open = Packer(self._keep)
        self._sealed = Packer(self._keep, lambda plain: seal(plain, self._recipients))

    def all_of(self, kinds: Sequence[Kind]) -> Taken:
        """Reads everything at one instant, or if the API cannot keep one, kind after kind."""
        why = ""
        for _ in range(INSTANTS):
            try:
                return self._at(self.reader.instant(), kinds)
            except Expired as error:
                why = error.problem
                log_about(self._handle.profile.name).warning("the API compacted the instant: it is read again: %s", why)
        taken = self._at("", kinds)
        taken.why_not = f"the API compacted {INSTANTS} instants while they were read ({why})"
        return taken

    def _at(self, instant: str, kinds: Sequence[Kind]) -> Taken:
        taken = Taken(instant)
        try:
            for kind in kinds:
                at = "" if kind.aggregated else instant
                if kind.aggregated:
                    taken.later.append(
                        Skip(subject=kind.label, reason="another API server answers for it, with revisions of its own")
                    )
                try:
                    for page in self.reader.pages(kind, at):
                        for item in page:
                            self._one(taken, kind, item)
                except Unread as error:
                    taken.not_read.append(Skip(subject=kind.label, reason=error.problem))
                except Expired as error:
                    if at:
                        raise
                    taken.not_read.append(Skip(subject=kind.label, reason=error.problem))
        finally:
            self._open.close()
            self._sealed.close()
            self._previous.remember(taken.entries, self.new)
        return taken

    def _one(self, taken: Taken, kind: Kind, item: JSON) -> None:
        head = item.get("metadata") or {}
        place = place_of(kind, head.get("namespace", ""), head.get("name", ""))
        if reason := why_filtered(kind, place, self._rules) or why_left_out(kind, item):
            taken.left[kind.label, reason] += 1
            return
        if kind.label == "secrets" and not self._recipients and item.get("data"):
            taken.left[NO_RECIPIENTS, "the profile has no backup.recipients"] += 1
        if same := self._previous.same(kind, head):
            taken.entries.append(same)
            return
        file = to_file(kind, item)
        known = self._previous.of(kind, head)
        if known and known.sha256 == file.sha256 and not known.sealed and not file.sealed:
            version = head.get("resourceVersion", "")
            taken.entries.append(known._replace(resource_version=version, writers=writers_of(item)))
            return
        self._dump(taken, kind, item, file)

    def _dump(self, taken: Taken, kind: Kind, item: JSON, file: File) -> None:
        head = item["metadata"]
        namespace, name = head.get("namespace", ""), head["name"]
        path, number = file_of(kind, namespace, name), len(taken.entries)
        taken.dumped += 1
        taken.entries.append(
            Entry(
                group=kind.group,
                version=kind.version,
                kind=kind.kind,
                resource=kind.resource,
                namespaced=kind.namespaced,
                namespace=namespace,
                name=name,
                uid=head.get("uid", ""),
                resource_version=head.get("resourceVersion", ""),
                sha256=file.sha256,
                pack="",
                file=path,
                sealed="",
                writers=writers_of(item),
            )
        )

        def set_pack(pack: str) -> None:
            taken.entries[number] = taken.entries[number]._replace(pack=pack)

        def set_sealed(pack: str) -> None:
            taken.entries[number] = taken.entries[number]._replace(sealed=pack)

        self._open.add(path, file.text, set_pack)
        if file.sealed and self._recipients:
            self._sealed.add(path, file.sealed, set_sealed)

    def _keep(self, name: str, body: bytes, files: int) -> None:
        self._store.put_pack(name, body)
        self.new[name] = Pack(name=name, size=len(body), files=files, run=self._run)


def previous_of(
    manifest: Manifest | None, stored: Mapping[str, int], rules: str, recipients: Sequence[str]
) -> Previous:
    """Returns what can be used again of a backup: packs that are stored in their size, and mostly needed still."""
    if manifest is None:
        return Previous()
    used = Counter(name for one in manifest.entries for name in (one.pack, one.sealed) if name)
    packs = {
        one.name: one for one in manifest.packs if stored.get(one.name) == one.size and 2 * used[one.name] >= one.files
    }
    return Previous(
        by_uid={one.uid: one for one in manifest.entries},
        packs=packs,
        has_same_rules=manifest.rules == rules,
        has_same_recipients=manifest.recipients == tuple(recipients),
    )
