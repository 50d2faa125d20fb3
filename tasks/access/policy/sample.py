"""Chooses requests of which the API server checks the answer. Another audit chooses others."""

import hashlib
from collections.abc import Iterator
from itertools import islice

from tasks.access.models.rights import EVERYWHERE, Question, Rbac, Subject
from tasks.access.policy.dangers import DANGERS
from tasks.access.policy.rbac import holders, subjects_of

EACH = 50
"""Limits how many requests that the rules allow, and how many others, are chosen."""

Request = tuple[Subject, Question]


def choose(rbac: Rbac, seed: str) -> tuple[Request, ...]:
    """Returns requests of subjects that can do a dangerous thing by the rules, and of subjects that may not be able to."""
    allowed = sorted(set(_allowed(rbac)), key=lambda one: _draw(seed, one[0].label, one[1].model_dump_json()))
    subjects = sorted({one for binding in rbac.bindings for one in subjects_of(binding)}, key=lambda one: one.label)
    others = sorted(subjects, key=lambda one: _draw(seed, one.label))
    questions = [question for danger in DANGERS for question in danger.questions]
    rest = [(one, questions[int(_draw(seed, "question", one.label), 16) % len(questions)]) for one in others[:EACH]]
    return tuple(dict.fromkeys((*islice(allowed, EACH), *rest)))


def _allowed(rbac: Rbac) -> Iterator[Request]:
    """Yields the first right of each dangerous thing that a subject has in all namespaces or in one."""
    for danger in DANGERS:
        for grant in holders(rbac, danger.questions[:1]):
            place = "" if grant.namespace == EVERYWHERE else grant.namespace
            if not grant.names:
                yield grant.subject, danger.questions[0].model_copy(update={"namespace": place})


def _draw(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
