"""Says in words what an object that gives access has, and how two of them differ."""

from collections.abc import Iterator

from tasks.core.models.outside import AccessObject, PolicyRule, RbacSubject


def content_of(one: AccessObject, sign: str = "+") -> tuple[str, ...]:
    """Returns what an object gives: its role, its subjects and its rules, each with a sign."""
    return tuple(f"{sign} {words}" for words in _words(one))


def differences(before: AccessObject, after: AccessObject) -> tuple[str, ...]:
    """Returns what comes (+), what goes (-), and the names of other fields that change (~).

    Rules in another order are the same rules.
    """
    old, new = tuple(_words(before)), tuple(_words(after))
    fields, then = dict(_other_fields(before)), dict(_other_fields(after))
    return (
        *(f"+ {one}" for one in new if one not in old),
        *(f"- {one}" for one in old if one not in new),
        *(f"~ {name}" for name in sorted(fields.keys() | then.keys()) if fields.get(name) != then.get(name)),
    )


def role_of(one: AccessObject) -> str:
    """Returns the role of a binding: `ClusterRole view`; empty for other objects."""
    return f"{one.role_ref.kind} {one.role_ref.name}" if one.role_ref else ""


def _words(one: AccessObject) -> Iterator[str]:
    if one.role_ref:
        yield f"role {role_of(one)}"
    if one.aggregation_rule:
        yield "rules of other roles (aggregationRule)"
    yield from map(_subject_words, one.subjects)
    yield from map(rule_words, one.rules)


def _subject_words(one: RbacSubject) -> str:
    return f"{one.kind}:{f'{one.namespace}/' if one.namespace else ''}{one.name}"


def rule_words(rule: PolicyRule) -> str:
    """Returns a rule as people read it: `get, list pods`, or `get deployments of apps`."""
    verbs = ", ".join(rule.verbs)
    if rule.non_resource_urls:
        return f"{verbs} {', '.join(rule.non_resource_urls)}"
    groups = "" if rule.api_groups == ("",) else f" of {', '.join(one or 'v1' for one in rule.api_groups)}"
    names = f", only {', '.join(rule.resource_names)}" if rule.resource_names else ""
    return f"{verbs} {', '.join(rule.resources)}{groups}{names}"


def _other_fields(one: AccessObject) -> Iterator[tuple[str, object]]:
    yield "automountServiceAccountToken", one.automount_service_account_token
    yield from ((f"labels {name}", value) for name, value in one.metadata.labels.items())
    yield from ((f"annotations {name}", value) for name, value in one.metadata.annotations.items())
