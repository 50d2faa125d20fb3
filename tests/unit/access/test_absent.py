"""Bindings of what nobody made: a role, or a ServiceAccount."""

from tasks.access.policy.absent import find_absent
from tasks.access.probes.rbac import parse_rbac
from tests.facts.access import account, binding, cluster_binding, cluster_role, role, rule, user

READS = rule("get", "pods")


def test_a_role_and_an_account_that_do_not_exist_are_findings_with_their_bindings() -> None:
    """Once each; users and groups are not objects, and a ServiceAccount without a namespace is in that of its binding."""
    rbac = parse_rbac(
        [role("shop", "own", READS)],
        [cluster_role("all", READS)],
        [
            binding("shop", "a", ("Role", "own"), account("shop", "here"), user("ada")),
            binding("ops", "b", ("Role", "own"), account("", "gone")),
            cluster_binding("c", "none", account("ops", "gone"), account("ops", "gone")),
            cluster_binding("d", "all", account("shop", "here")),
        ],
    )
    found = {one.id: one for one in find_absent(rbac, {("shop", "here")})}
    assert {name: (str(one.severity), one.evidence) for name, one in found.items()} == {
        "absent-role:ClusterRole:none": ("low", "ClusterRoleBinding c"),
        "absent-role:Role:ops/own": ("low", "RoleBinding ops/b"),
        "absent-subject:ServiceAccount:ops/gone": ("medium", "RoleBinding ops/b, ClusterRoleBinding c"),
    }
    assert found["absent-role:Role:ops/own"].fix == "`kubectl -n ops delete rolebinding b`"


def test_a_default_binding_may_name_a_controller_that_does_not_run_here() -> None:
    """Of kube-system, by the label of the API server; another subject in it counts."""
    one = cluster_binding("system:controller:route", "r", account("kube-system", "route"), account("shop", "x"))
    rbac = parse_rbac([], [cluster_role("r", READS)], [one])
    assert len(list(find_absent(rbac, ()))) == 2
    one["metadata"]["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    rbac = parse_rbac([], [cluster_role("r", READS)], [one])
    assert [found.subject for found in find_absent(rbac, ())] == ["ServiceAccount:shop/x"]
