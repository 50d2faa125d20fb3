"""Stores what runs may have frozen: `<prefix>/<cluster>/volumes-frozen/<run>.json`, written before the first container is frozen."""

from pydantic import ValidationError

from tasks.clients.objectstore import ObjectStore
from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.volumes.models.freezes import FreezeJournal


class FreezeJournals:
    """Manages the journals of one cluster. A run that thawed all its containers leaves none."""

    def __init__(self, store: ObjectStore, cluster: str) -> None:
        self.store = store
        self.prefix = store.key(cluster, "volumes-frozen") + "/"

    def known(self) -> list[FreezeJournal]:
        """Returns the journals of all runs that may have left something frozen."""
        found = [self._read(one.key) for one in self.store.objects(self.prefix)]
        return [one for one in found if one]

    def has(self, run: str) -> bool:
        """Checks whether the journal of a run is still there."""
        return self.store.size(self._key(run)) is not None

    def write(self, journal: FreezeJournal) -> None:
        """Writes a journal; it has no Object Lock, because it is deleted within minutes."""
        self.store.put(self._key(journal.run), journal.model_dump_json(indent=2).encode(), "application/json")

    def remove(self, run: str) -> None:
        """Removes the journal of a run, which has thawed everything."""
        self.store.delete(self._key(run))

    def place(self, run: str) -> str:
        """Returns where the journal of a run is, for people."""
        return self.store.uri(self._key(run))

    def _key(self, run: str) -> str:
        return f"{self.prefix}{run}.json"

    def _read(self, key: str) -> FreezeJournal | None:
        """Returns a journal; None if its run has removed it meanwhile."""
        try:
            text = self.store.get(key)
        except Refused:
            if self.store.size(key) is None:
                return None
            raise
        try:
            return FreezeJournal.model_validate_json(text)
        except ValidationError:
            raise Refused(
                f"{self.store.uri(key)} is no journal of ours: what an interrupted run left frozen is not known",
                hint=f"thaw the applications by hand if they are frozen, then delete {self.store.uri(key)}",
            ) from None


def journals_of(handle: Cluster) -> FreezeJournals:
    """Returns the journals of this cluster."""
    return FreezeJournals(handle.store, handle.profile.name)
