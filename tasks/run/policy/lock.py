"""Who may take the lock of a cluster, who has lost it, and who may act: decided from what its places say.

The places are the Lease, and a file on each control plane node. An owner holds enough of them that any two owners would meet:
more than half of the control plane nodes; or the Lease and at least half of them. No two clocks are compared: whoever finds a
place taken watches it by its own clock, and only time in which the place answered without a gap counts.
"""

from collections.abc import Sequence

from tasks.run.models.lock import Call, LockRecord, Place, Question, Standing, Terms


def renew_every(seconds: float) -> float:
    """Three renewals in the time after which an owner is dead."""
    return seconds / 3


def is_held(place: Place, now: float, seconds: float) -> bool:
    """It was confirmed so lately that nobody can have taken it, with a third of the time left for the act to begin."""
    return place.confirmed is not None and now - place.confirmed < seconds * 2 / 3


def seen(place: Place, found: LockRecord, terms: Terms, call: Call, *, is_gone: bool = False) -> Place:
    """After a look: the watch goes on, or begins anew after a gap. Another owner that changed the record meanwhile is alive.

    One whose process `is_gone` is dead: what changed the record was on its way when it died.
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
    """After a look or a renewal without an answer: a watch has to begin anew, for its owner could not renew it either."""
    return place.model_copy(update={"found": None, "problem": problem})


def unwritten(place: Place, problem: str) -> Place:
    """After an attempt to take it that failed: what came of it is seen at the next look."""
    return place.model_copy(update={"problem": problem})


def written(  # noqa: PLR0913 - as `seen`
    place: Place, found: LockRecord, terms: Terms, call: Call, *, backed: bool, is_gone: bool = False
) -> Place:
    """After an attempt to take it or to renew it, by what it says then.

    One that was ours and is another's, or free, is lost for good. But a Lease that is `backed` by more than half of the nodes
    may have changed with etcd's data, which a restore replaces: it is watched like any other.
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
    told = "nobody has it, so somebody has removed it" if found.is_free else found.sentence
    return place.model_copy(update={"found": found, "lost": f"{place.name}: {told}", "confirmed": None})


def is_free_to_take(place: Place, terms: Terms) -> bool:
    """It answers, and is free, or this process's own, or its owner is gone, or was silent for a full duration while it answered us."""
    found = place.found
    if found is None or place.alive:
        return False
    patience = max(terms.seconds, found.seconds)
    return found.is_free or found.is_of(terms.owner) or place.is_gone or place.seen - place.since >= patience


def is_backed(places: Sequence[Place], terms: Terms, now: float) -> bool:
    """More than half of the control plane nodes are ours: nobody can hold the lock beside us, whatever the Lease says."""
    return _held_voters(places, terms, now) >= _needed(terms, with_lease=False) > 0


def what_to_ask(place: Place, terms: Terms, *, keeps: bool) -> Question:
    """What a place is asked next; one that `keeps` the lock takes also what comes free later."""
    if place.confirmed is not None:
        return Question.RENEW
    return Question.TAKE if keeps and is_free_to_take(place, terms) else Question.LOOK


def pause(place: Place, terms: Terms, *, keeps: bool) -> float:
    """Seconds until it is asked again: soon while it fails or is watched, else three times in the life of a renewal."""
    every = renew_every(terms.seconds)
    if place.confirmed is not None and not place.problem:
        return every
    is_settled = keeps and is_free_to_take(place, terms)
    return every if is_settled and not place.problem else min(1.0, every / 5)


def may_take(places: Sequence[Place], terms: Terms) -> Standing:
    """Whether to begin with taking: lost where another owner lives, else what has to be waited for."""
    if living := [place for place in places if place.alive and place.found]:
        return _lives(living[0])
    if unheard := [place.name for place in places if place.found is None and not place.problem]:
        return Standing(waits=f"{', '.join(unheard)} {'has' if len(unheard) == 1 else 'have'} not answered yet")
    taken = [place for place in places if place.found and not is_free_to_take(place, terms)]
    if taken:
        return Standing(waits=f"{_told(taken[0])}; whether it lives is seen within {_patience(taken[0], terms):.0f} s")
    free = {place.name for place in places if is_free_to_take(place, terms)}
    lease = _lease_of(places)
    may_lack_lease = terms.without_lease and bool(terms.voters or (lease and lease.name in free))
    return _judged(places, terms, free, may_lack_lease=may_lack_lease)


def is_taken(places: Sequence[Place], terms: Terms, now: float) -> Standing:
    """Whether taking has come to its end: enough is held, with all the machines, and the Lease if the run cannot be without it."""
    return _held(places, terms, now, begins=True)


def may_act(places: Sequence[Place], terms: Terms, now: float) -> Standing:
    """Whether this process holds enough, now: lost for good where another owner is known, else what has to be waited for."""
    return _held(places, terms, now, begins=False)


def _held(places: Sequence[Place], terms: Terms, now: float, *, begins: bool) -> Standing:
    if lost := [place.lost for place in places if place.lost]:
        return Standing(lost="; ".join(lost))
    if living := [place for place in places if place.alive and place.found]:
        return _lives(living[0])
    lease = _lease_of(places)
    is_open = lease is not None and lease.confirmed is None and lease.found is not None
    if lease and is_open and not is_free_to_take(lease, terms):
        return Standing(waits=f"{_told(lease)}; whether it lives is seen within {_patience(lease, terms):.0f} s")
    held = {place.name for place in places if is_held(place, now, terms.seconds)}
    looked = lease is not None and is_open and now - lease.seen < terms.seconds * 2 / 3
    may_lack_lease = (terms.without_lease or not begins) if terms.voters else (terms.without_lease and looked)
    needed = terms if begins else terms.model_copy(update={"machines": ()})
    return _judged(places, needed, held, may_lack_lease=may_lack_lease)


def _judged(places: Sequence[Place], terms: Terms, good: set[str], *, may_lack_lease: bool) -> Standing:
    """Whether the good places are enough."""
    lease = _lease_of(places)
    with_lease = lease is not None and lease.name in good
    voters = [name for name in terms.voters if name in good]
    problems = {place.name: place.problem or "it has not answered yet" for place in places}
    if lease and not with_lease and not may_lack_lease:
        return Standing(waits=f"the lock is not to be had of the API: {problems[lease.name]}")
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
    """Two owners without the Lease meet on a node, two with it meet there; one of each kind meets on a node, too."""
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
