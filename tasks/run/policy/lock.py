"""Decides from the content of the places who may take a cluster's lock, who has lost it, and who may act.

The places are the Lease, and a file on each control plane node. An owner holds so many of them that any two owners
would meet. That is more than half of the control plane nodes, or the Lease and at least half of them. No two clocks are
compared: whoever finds a place taken watches it by its own clock. Only time in which the place answered without a gap
counts.
"""

from collections.abc import Sequence

from tasks.run.models.lock import Call, LockRecord, Place, Question, Standing, Terms


def renew_every(seconds: float) -> float:
    """Returns the seconds between renewals: three fit into the time after which an owner is dead."""
    return seconds / 3


def is_held(place: Place, now: float, seconds: float) -> bool:
    """Checks whether the place was confirmed so recently that nobody else can have taken it.

    A third of the time is left for the action to begin.
    """
    return place.confirmed is not None and now - place.confirmed < seconds * 2 / 3


def seen(place: Place, found: LockRecord, terms: Terms, call: Call, *, is_gone: bool = False) -> Place:
    """Returns the place after a read: the watch continues, or begins again after a gap.

    Another owner that changed the record in the meantime is alive. An owner whose process `is_gone` is dead, because
    its last change was already on its way.
    """
    gap = call.asked - place.seen > renew_every(terms.seconds)
    unbroken = place.found is not None and not gap
    changed = found != place.found
    alive = place.alive or (unbroken and changed and not found.is_of(terms.owner))
    return place.model_copy(
        update={
            "found": found,
            "problem": "",
            "since": place.since if unbroken and not changed else call.answered,
            "seen": call.asked,
            "alive": alive and not found.is_free and not is_gone,
            "is_gone": is_gone,
        }
    )


def missed(place: Place, problem: str) -> Place:
    """Returns the place after a read or a renewal without an answer.

    A watch must begin again, because the owner could not renew the place either.
    """
    return place.model_copy(update={"found": None, "problem": problem})


def unwritten(place: Place, problem: str) -> Place:
    """Returns the place after a failed attempt to take it; the next read shows the result."""
    return place.model_copy(update={"problem": problem})


def written(  # noqa: PLR0913 - as `seen`
    place: Place, found: LockRecord, terms: Terms, call: Call, *, backed: bool, is_gone: bool = False
) -> Place:
    """Returns the place after an attempt to take or renew it, judged by its content at that moment.

    A place that was this owner's, and is now another's or free, is lost for good. But a Lease that is `backed` by more
    than half of the nodes may have changed with etcd's data, which a restore replaces. It is watched like any other.
    """
    if found.is_of(terms.owner):
        kept = {
            "found": found,
            "problem": "",
            "seen": call.asked,
            "since": call.answered,
            "confirmed": call.asked,
            "alive": False,
            "is_gone": False,
        }
        return place if place.lost else place.model_copy(update=kept)
    if place.confirmed is None or (place.is_lease and backed):
        fresh = place.model_copy(
            update={"confirmed": None, "found": None if place.confirmed is not None else place.found}
        )
        return seen(fresh, found, terms, call, is_gone=is_gone)
    told = "it is gone: somebody removed it" if found.is_free else found.sentence
    return place.model_copy(update={"found": found, "lost": f"{place.name}: {told}", "confirmed": None})


def is_free_to_take(place: Place, terms: Terms) -> bool:
    """Checks whether the place answers and may be taken.

    It may if it is free or belongs to this process, or if its owner is gone. It also may if the owner was silent for a
    full duration while the place answered.
    """
    found = place.found
    if found is None or place.alive:
        return False
    patience = max(terms.seconds, found.seconds)
    return found.is_free or found.is_of(terms.owner) or place.is_gone or place.seen - place.since >= patience


def is_backed(places: Sequence[Place], terms: Terms, now: float) -> bool:
    """Checks whether this owner holds more than half of the control plane nodes.

    Nobody else can hold the lock then, whatever the Lease contains.
    """
    return _held_voters(places, terms, now) >= _needed(terms, with_lease=False) > 0


def what_to_ask(place: Place, terms: Terms, *, keeps: bool) -> Question:
    """Returns the next request for a place.

    A process that `keeps` the lock also takes a place that becomes free later.
    """
    if place.confirmed is not None:
        return Question.RENEW
    return Question.TAKE if keeps and is_free_to_take(place, terms) else Question.LOOK


def pause(place: Place, terms: Terms, *, keeps: bool) -> float:
    """Returns the seconds until the place is queried again.

    The pause is short while the place fails or is watched. Otherwise there are three queries in the lifetime of a
    renewal.
    """
    every = renew_every(terms.seconds)
    if place.confirmed is not None and not place.problem:
        return every
    is_settled = keeps and is_free_to_take(place, terms)
    return every if is_settled and not place.problem else min(1.0, every / 5)


def may_take(places: Sequence[Place], terms: Terms) -> Standing:
    """Decides whether to start to take the lock.

    It is lost if another owner is alive. Otherwise the result names what to wait for.
    """
    if living := [place for place in places if place.alive and place.found]:
        return _lives(living[0])
    if unheard := [place.name for place in places if place.found is None and not place.problem]:
        return Standing(waits=f"{', '.join(unheard)} {'has' if len(unheard) == 1 else 'have'} not answered yet")
    taken = [place for place in places if place.found and not is_free_to_take(place, terms)]
    if taken:
        return Standing(
            waits=f"{_told(taken[0])}; whether that run is still alive is known within {_patience(taken[0], terms):.0f} s"
        )
    free = {place.name for place in places if is_free_to_take(place, terms)}
    lease = _lease_of(places)
    may_lack_lease = terms.without_lease and bool(terms.voters or (lease and lease.name in free))
    return _judged(places, terms, free, may_lack_lease=may_lack_lease)


def is_taken(places: Sequence[Place], terms: Terms, now: float) -> Standing:
    """Decides whether taking has finished: enough is held, with all the nodes to lock.

    The Lease must be held too, if the run cannot be without it.
    """
    return _held(places, terms, now, begins=True)


def may_act(places: Sequence[Place], terms: Terms, now: float) -> Standing:
    """Decides whether this process holds enough now.

    The lock is lost for good if another owner is known. Otherwise the result names what to wait for.
    """
    return _held(places, terms, now, begins=False)


def _held(places: Sequence[Place], terms: Terms, now: float, *, begins: bool) -> Standing:
    if lost := [place.lost for place in places if place.lost]:
        return Standing(lost="; ".join(lost))
    if living := [place for place in places if place.alive and place.found]:
        return _lives(living[0])
    lease = _lease_of(places)
    is_open = lease is not None and lease.confirmed is None and lease.found is not None
    if lease and is_open and not is_free_to_take(lease, terms):
        return Standing(
            waits=f"{_told(lease)}; whether that run is still alive is known within {_patience(lease, terms):.0f} s"
        )
    held = {place.name for place in places if is_held(place, now, terms.seconds)}
    looked = lease is not None and is_open and now - lease.seen < terms.seconds * 2 / 3
    may_lack_lease = (terms.without_lease or not begins) if terms.voters else (terms.without_lease and looked)
    needed = terms if begins else terms.model_copy(update={"machines": ()})
    return _judged(places, needed, held, may_lack_lease=may_lack_lease)


def _judged(places: Sequence[Place], terms: Terms, good: set[str], *, may_lack_lease: bool) -> Standing:
    """Decides whether the good places are enough."""
    lease = _lease_of(places)
    with_lease = lease is not None and lease.name in good
    voters = [name for name in terms.voters if name in good]
    problems = {place.name: place.problem or "it has not answered yet" for place in places}
    if lease and not with_lease and not may_lack_lease:
        return Standing(waits=f"the API does not grant the lock: {problems[lease.name]}")
    if missing := [name for name in terms.machines if name not in good]:
        return Standing(
            waits="; ".join(f"{name} cannot be locked: {problems.get(name, 'not reached')}" for name in missing)
        )
    if len(voters) < (needed := _needed(terms, with_lease=with_lease)):
        lacking = "; ".join(f"{name}: {problems.get(name, 'not reached')}" for name in terms.voters if name not in good)
        api = "" if with_lease or lease is None else f"; the API: {problems[lease.name]}"
        return Standing(
            waits=f"{len(voters)} of {len(terms.voters)} control plane nodes confirm the lock, {needed} have to ({lacking}{api})"
        )
    return Standing()


def _needed(terms: Terms, *, with_lease: bool) -> int:
    """Returns how many control plane nodes are needed.

    Two owners without the Lease meet on a node, and two with it meet at the Lease. One of each kind meets on a node,
    too.
    """
    half = len(terms.voters) // 2
    return len(terms.voters) - half if with_lease else min(half + 1, len(terms.voters))


def _lease_of(places: Sequence[Place]) -> Place | None:
    return next((place for place in places if place.is_lease), None)


def _held_voters(places: Sequence[Place], terms: Terms, now: float) -> int:
    return sum(place.name in terms.voters and is_held(place, now, terms.seconds) for place in places)


def _told(place: Place) -> str:
    return f"{place.name}: {place.found.sentence}" if place.found else place.name


def _lives(place: Place) -> Standing:
    return Standing(lost=_told(place), run_id=place.found.holder if place.found else "")


def _patience(place: Place, terms: Terms) -> float:
    return max(terms.seconds, place.found.seconds if place.found else 0)
