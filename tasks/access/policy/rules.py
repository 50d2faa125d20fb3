"""Compares one rule of a role with one question, exactly as the API server does.

The API server's code is pkg/apis/rbac/v1/evaluation_helpers.go. A property test compares both.
"""

from tasks.access.models.rights import Question
from tasks.core.models.outside import PolicyRule

ANY = "*"

NO_NAME_YET = frozenset({"create", "deletecollection"})
"""A request with one of these verbs has no name, so a rule for some names never allows it, except below an object."""


def allows(rule: PolicyRule, asked: Question) -> bool:
    """Checks whether the rule allows the request."""
    return _is_about(rule, asked) and (not rule.resource_names or asked.name in rule.resource_names)


def names_for(rule: PolicyRule, asked: Question) -> tuple[str, ...] | None:
    """Returns the names of objects to which the rule limits the right.

    It is empty if the rule does not limit it, and None if the rule does not give the right at all.
    """
    if allows(rule, asked):
        return ()
    if asked.name or not _is_about(rule, asked) or (asked.verb in NO_NAME_YET and not asked.subresource):
        return None
    return rule.resource_names


def _is_about(rule: PolicyRule, asked: Question) -> bool:
    if ANY not in rule.verbs and asked.verb not in rule.verbs:
        return False
    if asked.url:
        return any(_covers_url(url, asked.url) for url in rule.non_resource_urls)
    is_group = ANY in rule.api_groups or asked.group in rule.api_groups
    return is_group and any(_covers_resource(one, asked) for one in rule.resources)


def _covers_resource(written: str, asked: Question) -> bool:
    """Checks one resource of a rule: `*/scale` covers the scale of every resource, and `services/*` covers nothing."""
    if written == ANY:
        return True
    below = asked.subresource
    return written == (f"{asked.resource}/{below}" if below else asked.resource) or (
        bool(below) and written == f"*/{below}"
    )


def _covers_url(written: str, url: str) -> bool:
    return written in {ANY, url} or (written.endswith(ANY) and url.startswith(written.rstrip(ANY)))
