"""Users of a real API server who may do what `kube-runbooks check` asks for a runbook, and nothing else but for an option of it."""

import uuid

from tasks.check.policy.rights import OF_OPTIONS, RIGHTS
from tests.servers.kubernetes import ControlPlane

GROUP = "rbac.authorization.k8s.io"


def kubeconfig_for(cluster: ControlPlane, runbook: str, option: str = "") -> str:
    """Of a new user; `option` is a key of the rights of options."""
    name = f"{runbook.replace('_', '-')}-{uuid.uuid4()}"
    rights = (*RIGHTS[runbook], *(OF_OPTIONS[option] if option else ()))
    rules = [{"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]} for one in rights]
    cluster.api.create(f"/apis/{GROUP}/v1/clusterroles", {"metadata": {"name": name}, "rules": rules})
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": name}],
    }
    cluster.api.create(f"/apis/{GROUP}/v1/clusterrolebindings", body)
    return cluster.kubeconfig(cluster.user(name))
