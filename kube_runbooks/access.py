"""Implements `kube-runbooks access`, which says who may do what in a cluster.

It asks only the API of the cluster, and changes nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from kube_runbooks.bucket import guarded, opened, show_rows
from kube_runbooks.outcome import OUTPUT, SCHEMA, Exit, Output, give_up, show_json

if TYPE_CHECKING:
    from tasks.access.models.resources import Resources
    from tasks.access.models.rights import Question, Rbac

access = App(name="access", help="Who may do what in a cluster, by its API alone.")

Name = Annotated[str, Parameter(help="name of the cluster's profile")]
Verb = Annotated[str, Parameter(help="verb of the request, for example get; * asks for the wildcard itself")]
ResourceName = Annotated[str, Parameter(help="resource, as in pods, pods/exec, deployments.apps or /healthz")]
InNamespace = Annotated[str, Parameter(help="namespace; default: all namespaces at once")]
OnlyNamespace = Annotated[str, Parameter(help="namespace; default: rights in all namespaces and in each of them")]
ObjectName = Annotated[str, Parameter(help="name of one object; default: any object")]
User = Annotated[str, Parameter(name="--as", help="user, or system:serviceaccount:NAMESPACE:NAME")]
Groups = Annotated[
    tuple[str, ...],
    Parameter(name="--as-group", negative="", help="group with which the user logs in; repeat it for several"),
]
Out = Annotated[Output, OUTPUT]


@access.command(name="who-can")
def who_can(  # noqa: PLR0913 - each is an option
    cluster: Name,
    verb: Verb,
    resource: ResourceName,
    *,
    namespace: OnlyNamespace = "",
    name: ObjectName = "",
    output: Out = "text",
) -> Exit:
    """List every user, group and ServiceAccount that may do something, with the binding and the role that allow it."""

    def answer() -> Exit:
        from tasks.access.models.rights import EVERYWHERE  # noqa: PLC0415 - as above
        from tasks.access.observe import read_rbac, read_resources  # noqa: PLC0415 - imports Prefect: seconds that --help does not need
        from tasks.access.policy.rbac import holders  # noqa: PLC0415 - as above
        from tasks.access.policy.resources import can_be_in_namespace  # noqa: PLC0415 - as above

        with opened(cluster) as handle:
            known = read_resources(handle.kube)
            asked = _question(known, verb, resource, namespace, name)
            inside = can_be_in_namespace(asked, known)
            grants = holders(read_rbac(handle.kube), [asked], in_namespaces=inside)
            found = [one for one in grants if not namespace or one.namespace in {EVERYWHERE, namespace}]
        masters = {
            "subject": "Group:system:masters",
            "namespace": EVERYWHERE,
            "names": "-",
            "binding": "-",
            "role": "-",
        }
        rows = [masters] + [
            {
                "subject": one.subject.label,
                "namespace": one.namespace,
                "names": ",".join(one.names) or "-",
                "binding": one.binding,
                "role": one.role,
            }
            for one in found
        ]
        return show_rows(rows, output, "", ("subject", "namespace", "names", "binding", "role"))

    return guarded(answer, output)


@access.command(name="can-i")
def can_i(  # noqa: PLR0913 - each is an option
    cluster: Name,
    verb: Verb,
    resource: ResourceName,
    *,
    user: User,
    groups: Groups = (),
    namespace: InNamespace = "",
    name: ObjectName = "",
    output: Out = "text",
) -> Exit:
    """Ask the API server whether a user may do something, and say which binding allows it. A denied right exits with 5."""

    def answer() -> Exit:
        from tasks.access.models.rights import Identity, Subject  # noqa: PLC0415 - as above
        from tasks.access.observe import read_rbac, read_resources, review  # noqa: PLC0415 - as above
        from tasks.access.policy.rbac import subject_of_user  # noqa: PLC0415 - as above

        subject: Subject = subject_of_user(user)
        who = Identity(user=user, groups=tuple(dict.fromkeys((*groups, *subject.identity.groups))))
        with opened(cluster) as handle:
            asked = _question(read_resources(handle.kube), verb, resource, namespace, name)
            judged = review(handle.kube, who, asked)
            by = _bindings(read_rbac(handle.kube), who.groups, subject.label, asked) if judged.allowed else []
        word = "yes" if judged.allowed else "no"
        reason = judged.reason or judged.evaluation_error
        if output == "json":
            told = {"allowed": judged.allowed, "reason": reason, "by": by, "groups": list(who.groups)}
            show_json({"schema": SCHEMA, "outcome": "completed" if judged.allowed else "failed", **told})
        else:
            print("\n".join([word, *by] if by else [f"{word}{f': {reason}' if reason else ''}"]))
        return Exit.OK if judged.allowed else Exit.CHECK_FAILED

    return guarded(answer, output)


@access.command(name="matrix")
def matrix(cluster: Name, *, output: Out = "text") -> Exit:
    """Test the cluster against its access policy, and list each cell. A cell that fails exits with 5."""

    def answer() -> Exit:
        from tasks.access.observe import read_rbac  # noqa: PLC0415 - as above
        from tasks.access.policy_file import path_of_policy, read_policy  # noqa: PLC0415 - as above
        from tasks.access.steps import check_matrix  # noqa: PLC0415 - as above
        from tasks.core.settings import Settings  # noqa: PLC0415 - as above

        folder = Settings().clusters
        with opened(cluster) as handle:
            policy = read_policy(folder, cluster)
            if policy is None:
                path = path_of_policy(folder, cluster)
                return give_up(
                    Exit.USAGE,
                    f"{cluster} has no access policy: there is no {path}",
                    "write this file; docs/access.md explains every field",
                    output,
                )
            cells = check_matrix(handle, policy, read_rbac(handle.kube))
        rows = [
            {
                "result": "holds" if one.holds else "FAILS",
                "subject": one.subject,
                "right": one.right,
                "namespace": one.namespace or "*",
                "wanted": one.wanted,
                "reason": one.reason or one.problem or "-",
            }
            for one in cells
        ]
        columns = ("result", "subject", "right", "namespace", "wanted", "reason")
        show_rows(rows, output, f"the access policy of {cluster} has no right", columns)
        return Exit.OK if rows and all(one.holds for one in cells) else Exit.CHECK_FAILED

    return guarded(answer, output)


def _question(known: "Resources", verb: str, resource: str, namespace: str, name: str) -> "Question":
    """Returns the question with the group that the API has for the resource. It raises `Refused` if it has none."""
    from tasks.access.policy.resources import question_about  # noqa: PLC0415 - as above
    from tasks.core.errors import Refused  # noqa: PLC0415 - as above
    from tasks.core.models.findings import Problem  # noqa: PLC0415 - as above

    asked = question_about(verb, resource, namespace, known)
    if isinstance(asked, Problem):
        raise Refused(asked.text, hint=asked.next_step)
    return asked.model_copy(update={"name": name})


def _bindings(rbac: "Rbac", groups: Sequence[str], label: str, asked: "Question") -> list[str]:
    """Returns each binding that allows the request, as text."""
    from tasks.access.policy.rbac import who_can as holders  # noqa: PLC0415 - as above

    own: set[Any] = {label, *(f"Group:{group}" for group in groups)}
    return [
        f"{one.evidence} to {one.subject.label}"
        for one in holders(rbac, asked)
        if one.subject.label in own and not one.names
    ]
