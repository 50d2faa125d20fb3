"""Turns a resource as people write it into a question, with the group that the API has for it.

A resource that the API does not know is a problem: nobody has a right on it, so a question about it shows nothing.
"""

from tasks.access.models.resources import Resource, Resources
from tasks.access.models.rights import Question
from tasks.core.models.findings import Problem, listed

ANY = "*"

WITHOUT_OBJECTS: Resources = {
    ("", "users"): Resource(in_namespaces=False),
    ("", "groups"): Resource(in_namespaces=False),
    ("authentication.k8s.io", "uids"): Resource(in_namespaces=False),
    ("authentication.k8s.io", "userextras"): Resource(in_namespaces=False),
    ("certificates.k8s.io", "signers"): Resource(in_namespaces=False),
}
"""Maps resources that exist in rules alone: for impersonation, and for signers of certificates."""

OF_KUBELETS = frozenset({"checkpoint", "configz", "healthz", "log", "metrics", "pods", "spec", "stats"})
"""Names the subresources of nodes that only a kubelet serves."""


def question_about(verb: str, written: str, namespace: str, known: Resources) -> Question | Problem:
    """Returns the question about `pods/exec`, `deployments.apps`, `*` or `/healthz`, or why there is none."""
    if written.startswith("/"):
        if namespace:
            return Problem(text=f"{written} is in no namespace", next_step="remove the namespace")
        return Question(verb=verb, url=written)
    whole, _, below = written.partition("/")
    name, _, group = whole.partition(".")
    if name == ANY:
        return Question(verb=verb, resource=ANY, subresource=below, group=group or ANY, namespace=namespace)
    found = _find(name, group, {**WITHOUT_OBJECTS, **known})
    if isinstance(found, Problem):
        return found
    of, resource = found
    asked = Question(verb=verb, resource=name, subresource=below, group=of, namespace=namespace)
    return _wrong_with(asked, resource) or asked


def can_be_in_namespace(asked: Question, known: Resources) -> bool:
    """Checks whether a binding in a namespace can give this right. It can for a wildcard, and for a namespace itself."""
    everything = {**WITHOUT_OBJECTS, **known}
    resource = everything.get((asked.group, asked.resource), Resource(in_namespaces=not asked.url))
    return resource.in_namespaces or _is_namespace(asked)


def _is_namespace(asked: Question) -> bool:
    """Checks whether the question is about namespaces: the API server puts the name of one into its own namespace."""
    return (asked.group, asked.resource) == ("", "namespaces")


def _wrong_with(asked: Question, resource: Resource) -> Problem | None:
    below, is_nodes = asked.subresource, (asked.group, asked.resource) == ("", "nodes")
    if below and below not in resource.subresources and not (is_nodes and below in OF_KUBELETS):
        has = listed(sorted(resource.subresources)) or "none"
        return Problem(text=f"{asked.resource} has no subresource {below}", next_step=f"known are: {has}")
    if asked.namespace and not resource.in_namespaces and not _is_namespace(asked):
        return Problem(text=f"{asked.resource} is in no namespace", next_step="remove the namespace")
    return None


def _find(name: str, group: str, known: Resources) -> tuple[str, Resource] | Problem:
    """Returns the group and the resource. Without a group it is that of v1, or else the only group that has it."""
    groups = sorted(one for one, resource in known if resource == name)
    if group in groups:
        return group, known[group, name]
    if group or not groups:
        step = "`kubectl api-resources` lists the names; a group follows after a dot, as in deployments.apps"
        return Problem(text=f"the API has no resource {name}{f'.{group}' if group else ''}", next_step=step)
    if len(groups) > 1:
        step = f"write one of {', '.join(f'{name}.{one}' for one in groups)}"
        return Problem(text=f"{name} is in {len(groups)} groups", next_step=step)
    return groups[0], known[groups[0], name]
