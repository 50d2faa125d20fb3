"""Turns the access policy into requests, one for each cell of its matrix."""

from collections.abc import Iterator

from tasks.access.models.audit import Asked, Cell
from tasks.access.models.policy import AccessPolicy, Row
from tasks.access.models.resources import Resources
from tasks.access.models.rights import Question, Rbac
from tasks.access.policy.rbac import names_user
from tasks.access.policy.resources import question_about
from tasks.core.models.findings import Problem


def cells_of(policy: AccessPolicy, known: Resources, namespaces: frozenset[str], rbac: Rbac) -> tuple[Asked, ...]:
    """Returns the requests of all cells.

    A right that a subject cannot have in any namespace is asked for all namespaces at once, and for each namespace
    with a binding of that subject: nothing else can give it the right by RBAC.
    """
    return tuple(cell for row in policy.rows for cell in _of_row(row, known, namespaces, rbac))


def _of_row(row: Row, known: Resources, namespaces: frozenset[str], rbac: Rbac) -> Iterator[Asked]:
    own = sorted(
        {
            binding.metadata.namespace
            for binding in rbac.bindings
            if binding.metadata.namespace and names_user(binding, row.identity)
        }
    )
    for right in row.can:
        for verb, resource, namespace in right.cells:
            yield _cell(
                row, verb, resource, namespace, question_in(verb, resource, namespace, known, namespaces), can=True
            )
    for right in row.cannot:
        for verb, resource, namespace in right.cells:
            asked = question_in(verb, resource, namespace, known, namespaces)
            yield _cell(row, verb, resource, namespace, asked, can=False)
            if not namespace and isinstance(asked, Question):
                for place in own:
                    there = question_about(verb, resource, place, known)
                    if isinstance(there, Question):
                        yield _cell(row, verb, resource, place, there, can=False)


def question_in(
    verb: str, resource: str, namespace: str, known: Resources, namespaces: frozenset[str]
) -> Question | Problem:
    """Returns the question, or why it shows nothing: no such resource, or no such namespace."""
    if namespace and namespace not in namespaces:
        return Problem(text=f"no namespace {namespace}", next_step="`kubectl get namespaces` lists them")
    return question_about(verb, resource, namespace, known)


def _cell(  # noqa: PLR0913 - each has a name
    row: Row, verb: str, resource: str, namespace: str, asked: Question | Problem, *, can: bool
) -> Asked:
    problem = f"{asked.text}; {asked.next_step}" if isinstance(asked, Problem) else ""
    cell = Cell(
        subject=row.subject,
        wanted="allow" if can else "deny",
        right=f"{verb} {resource}",
        namespace=namespace,
        problem=problem,
    )
    return Asked(cell=cell, identity=row.identity, question=asked if isinstance(asked, Question) else None)
