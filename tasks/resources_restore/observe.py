"""Asks the API server what it would do with each object: every change that this sends is a dry run."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from tasks.access.observe import read_apis
from tasks.clients.kube import AT_ONCE, Answer, KubeClient
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet
from tasks.resources.models import Kind
from tasks.resources.policy.contents import to_clean
from tasks.resources.store import is_without_values
from tasks.resources_restore.models import JSON, Existing, Judged, Key, ResourceRestoreOptions, Target, Verdict
from tasks.resources_restore.policy.compare import kept_fields, lacking
from tasks.resources_restore.policy.prepare import (
    RECLAIM,
    Around,
    Prepared,
    awaited,
    claim_of,
    handle_of,
    is_released,
    owners_of,
    prepare,
    without,
)
from tasks.resources_restore.policy.selection import parse_map
from tasks.resources_restore.policy.services import PORTS, allocate, held_by, is_service, keep, without_claims
from tasks.resources_restore.policy.verdicts import (
    Said,
    Tried,
    is_rest_of_ours,
    judge,
    judge_by_fields,
    judge_silence,
    wanted,
)

T = TypeVar("T")

OURS = "kube-runbooks"
APPLY = "application/apply-patch+yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SEALED = Said(
    Verdict.SEALED,
    "the backup has its values encrypted, and the profile has no identity that decrypts them",
    "give the identity of a recipient of the backup in backup.identity of the profile",
)
VALUELESS = Said(
    Verdict.SEALED,
    "the backup does not have its values: the profile had no backup.recipients then",
    "create it by hand, for example with `kubectl create secret`",
)
NOT_SERVED = Tried(404, {"message": "the API does not serve this kind"})


class Look(NamedTuple):
    """Holds one object as it was judged, with the body that was tried."""

    judged: Judged
    body: JSON
    version: str = ""
    """The resourceVersion of the object in the cluster; empty if there is none."""
    forced: bool = False
    is_rest: bool = False
    """Only what an earlier run of ours has left is different."""
    is_waiting: bool = False
    """A volume that gets its reclaim policy back when it is bound."""
    is_post: bool = False
    """Server-side apply does not take it, so it is created by POST."""
    is_released: bool = False
    """A volume that only has to forget the uid of the claim that is gone."""
    needs_finish: bool = False
    """A second pass writes it again: its owner, or its volume's claim, was not there yet."""


def why_without_values(target: Target) -> Said:
    """Returns why a Secret of the backup has no values."""
    return SEALED if target.sealed else VALUELESS


class View:
    """Holds what the judgement of single objects has to know about the cluster.

    `read` reads that again.
    """

    def __init__(
        self, kube: KubeClient, targets: Iterable[Target], options: ResourceRestoreOptions, other: str = ""
    ) -> None:
        """Stores what is judged; `other` is the cluster whose backup it is, if it is another one."""
        self.kube, self.options, self.targets, self.other = kube, options, tuple(targets), other
        self.read()

    def read(self) -> None:
        """Reads which kinds the API serves, and what is taken: addresses, volumes, versions of definitions."""
        apis = read_apis(self.kube)
        self.served = frozenset((one.group, one.version, one.resource) for one in apis)
        self.kinds: dict[tuple[str, str], tuple[str, str]] = {}
        for one in apis:
            if "/" not in one.resource:
                self.kinds.setdefault((one.group, one.kind), (one.version, one.resource))
        kinds = {one.kind for one in self.targets}
        volumes = self._list("/api/v1/persistentvolumes", kinds & {"PersistentVolume", "PersistentVolumeClaim"})
        definitions = self._list(DEFINITIONS, kinds & {"CustomResourceDefinition"})
        self.held = held_by(self._list("/api/v1/services", kinds & {"Service"}))
        restored = {one.name for one in self.targets if one.kind == "PersistentVolume"}
        self.around = Around(
            volumes=restored | {one["metadata"]["name"] for one in volumes},
            handles={handle: one["metadata"]["name"] for one in volumes if (handle := handle_of(one))},
            bound={one["metadata"]["name"] for one in volumes if one.get("status", {}).get("phase") == "Bound"},
            stored={one["metadata"]["name"]: _stored(one) for one in definitions},
            coming={one.key for one in self.targets},
            moved=parse_map(self.options.into_namespace),
            other=self.other,
        )

    def judge_all(self, pairs: Sequence[tuple[Target, JSON]]) -> list[Look]:
        """Judges objects at once; addresses of Services are given out one after the other."""
        live = on_all(lambda pair: _unless_silent(partial(self.kube.find, pair[0].path)), pairs, most=AT_ONCE)
        made = [self._prepared_or_not(target, body, one) for (target, body), one in zip(pairs, live, strict=True)]
        asked = [(target, body, one, ready) for (target, body), one, ready in zip(pairs, live, made, strict=True)]
        return on_all(lambda each: self._look_or_not(*each), asked, most=AT_ONCE)

    def _prepared_or_not(self, target: Target, body: JSON, live: JSON | Said | None) -> Prepared | Said:
        if isinstance(live, Said):
            return live
        made = _unless_silent(partial(self._prepared, target, body, live))
        return made._replace(reason=f"its owner: {made.reason}") if isinstance(made, Said) else made

    def _look_or_not(self, target: Target, body: JSON, live: JSON | Said | None, ready: Prepared | Said) -> Look:
        if isinstance(ready, Said):
            return Look(_judged(target, ready, (), None), {})
        return self._look(target, body, None if isinstance(live, Said) else live, ready)

    def _prepared(self, target: Target, body: JSON, live: JSON | None) -> Prepared:
        around = self.around
        if owners := owners_of(body, target):
            around = around._replace(owners=self._owners(owners))
        ready = prepare(target, body, around, live)
        if not is_service(target):
            return ready
        kept, notes = keep(target, ready.body, live, self.held) if live else allocate(target, ready.body, self.held)
        return ready._replace(body=kept, notes=(*ready.notes, *notes))

    def _look(self, target: Target, body: JSON, live: JSON | None, ready: Prepared) -> Look:
        if ready.problem:
            said = Said(Verdict.CONFLICT, ready.problem, ready.next_step)
            return Look(_judged(target, said, ready.notes, live), ready.body)
        if is_without_values(body):
            said = why_without_values(target)
            left = Said(Verdict.LEAVE, f"it exists, and {said.reason}") if live else said
            return Look(_judged(target, left, (), live), {})
        if self._is_for_new_claim(target, ready.body, live):
            return self._released(target, live or {})
        forced, notes = wanted(target, self.options.force), ready.notes
        tried = self.try_out(target, ready.body, forced=forced)
        if tried.wants_other_claims:
            why = str(tried.body.get("message", ""))
            ready = ready._replace(body=without(ready.body, PORTS) if live else without_claims(ready.body))
            notes = (*notes, f"it gets other addresses and node ports, because {why}")
            tried = self.try_out(target, ready.body, forced=forced)
        is_post, owners = tried.cannot_be_applied and live is None, awaited(body, ready.body, target)
        if tried.cannot_be_applied and live is not None:
            lacks = tuple(lacking(ready.body, live))
            said = judge_by_fields(lacks, tried, self.options.existing)
            return Look(_judged(target, said, notes, live).model_copy(update={"awaited": owners}), ready.body)
        if is_post:
            notes = (*notes, f"by POST, because server-side apply does not take it: {tried.body.get('message', '')}")
            tried = self.try_out(target, ready.body, forced=forced, is_post=True)
        is_rest = is_rest_of_ours(live, tried)
        said = judge(
            target,
            live,
            tried,
            coming=self.around.coming,
            existing=self.options.existing,
            served=self._is_served(target),
            finishes=forced or is_rest,
        )
        stays = said.verdict in {Verdict.UPDATE, Verdict.UNCHANGED}
        kept = kept_fields(to_clean(_kind(target), tried.body), body, ready.body) if stays else ()
        return Look(
            _judged(target, said, notes, live).model_copy(update={"kept": kept, "awaited": owners}),
            ready.body,
            version=str(live["metadata"]["resourceVersion"]) if live else "",
            forced=forced,
            is_rest=is_rest,
            is_post=is_post,
            is_waiting=RECLAIM in (ready.body["metadata"].get("annotations") or {}),
            needs_finish=_needs_finish(body, ready.body),
        )

    def _is_for_new_claim(self, target: Target, body: JSON, live: JSON | None) -> bool:
        """Checks whether a volume waits for a claim that is gone, and that this run restores."""
        is_volume = (target.group, target.kind) == ("", "PersistentVolume") and not self.other
        claim = claim_of(body)
        return is_volume and is_released(live) and claim_of(live or {}) == claim and claim in self.around.coming

    def _released(self, target: Target, live: JSON) -> Look:
        answer = self.kube.try_patch(target.path, forget_claim(live))
        tried = Tried(answer.status, answer.body)
        said = judge(target, live, tried, existing=Existing.UPDATE)
        if said.verdict is Verdict.UPDATE:
            said = said._replace(reason="it keeps its data for this claim, and names one that is gone")
        judged = _judged(target, said, (), live).model_copy(update={"is_released": True})
        return Look(judged, {}, version=str(live["metadata"]["resourceVersion"]), is_released=True)

    def try_out(self, target: Target, body: JSON, *, forced: bool, is_post: bool = False) -> Tried:
        """Returns the answer to a dry run; a server that is busy raises `NotYet`."""
        if not self._is_served(target):
            return NOT_SERVED
        answer = send(self.kube, target, body, forced=forced, is_post=is_post, dry=True)
        tried = Tried(answer.status, answer.body)
        if tried.is_busy:
            raise NotYet(f"dry run of {target.label}: {answer.status} {answer.message}", hint="check the API server")
        return tried

    def _is_served(self, target: Target) -> bool:
        return (target.group, target.version, target.resource) in self.served

    def _owners(self, keys: Iterable[Key]) -> dict[Key, str]:
        """Returns the uid of each owner that exists, in the namespace of its object or without one."""
        places = {place for key in keys for place in (key, key._replace(namespace=""))}
        return {place: uid for place in places if (uid := self._uid(place))}

    def _uid(self, key: Key) -> str:
        version, resource = self.kinds.get((key.group, key.kind), ("", ""))
        if not version:
            return ""
        root = f"/apis/{key.group}/{version}" if key.group else f"/api/{version}"
        within = f"/namespaces/{quote(key.namespace)}" if key.namespace else ""
        owner = self.kube.find(f"{root}{within}/{resource}/{quote(key.name, safe='')}")
        return str(owner["metadata"]["uid"]) if owner else ""

    def _list(self, path: str, needed: frozenset[str] | set[str]) -> list[JSON]:
        return self.kube.items(path) if needed else []


def _unless_silent(ask: Callable[[], T]) -> T | Said:
    """Returns the answer, or the verdict that a kind does not answer."""
    try:
        return ask()
    except NotYet as error:
        if said := judge_silence(error.problem):
            return said
        raise


def forget_claim(live: JSON) -> JSON:
    """Returns the patch by which a volume forgets the uid of the claim that is gone, if nobody has changed it since."""
    head = {name: live["metadata"][name] for name in ("uid", "resourceVersion")}
    return {"metadata": head, "spec": {"claimRef": {"uid": None, "resourceVersion": None}}}


def send(  # noqa: PLR0913 - each has a name at the call
    kube: KubeClient, target: Target, body: JSON, *, forced: bool = False, is_post: bool = False, dry: bool = False
) -> Answer:
    """Sends an object by server-side apply, or by POST if apply does not take it; `dry` changes nothing."""
    query = {"fieldManager": OURS, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry else {})
    if is_post:
        return kube.send("POST", target.collection, body, query=query)
    query["force"] = str(forced).lower()
    return kube.send("PATCH", target.path, body, query=query, content_type=APPLY)


def updating(options: ResourceRestoreOptions) -> ResourceRestoreOptions:
    """Returns the options under which each object that differs is an update: for a comparison."""
    return options.model_copy(update={"existing": Existing.UPDATE})


def _judged(target: Target, said: Said, notes: tuple[str, ...], live: JSON | None) -> Judged:
    uid = str(live["metadata"]["uid"]) if live else ""
    return Judged(target=target, **said._asdict(), notes=notes, uid=uid)


def _kind(target: Target) -> Kind:
    return Kind(target.group, target.version, target.kind, target.resource, target.namespaced)


def _needs_finish(body: JSON, ready: JSON) -> bool:
    """Checks whether an owner of the backup is not bound yet, or a volume is Retain for now."""
    had = len(body.get("metadata", {}).get("ownerReferences") or ())
    has = len(ready.get("metadata", {}).get("ownerReferences") or ())
    return has < had or ready.get("kind") == "PersistentVolume"


def _stored(definition: JSON) -> tuple[JSON, ...]:
    """Returns the versions of a live CustomResourceDefinition in which objects may be stored."""
    names = definition.get("status", {}).get("storedVersions") or ()
    return tuple(one for one in definition["spec"]["versions"] if one["name"] in names)
