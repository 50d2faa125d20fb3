"""Roles, bindings and policies as the API and people write them."""

from datetime import UTC, datetime
from typing import Any

from tasks.access.models.audit import Audit, Finding

Object = dict[str, Any]

RECIPIENT = "age1dm6j8cf58rrmy3ky2p4synjqavs0v4yxz30rcq3w2vre878ryg0syawt0s"
"""A public key of age."""


def rule(verb: str, resource: str, *, group: str = "", names: list[str] | None = None) -> Object:
    """A rule of a role; several verbs or resources have a comma between them."""
    made: Object = {"verbs": verb.split(","), "apiGroups": [group], "resources": resource.split(",")}
    return made | ({"resourceNames": names} if names else {})


def role(namespace: str, name: str, *rules: Object) -> Object:
    """A Role."""
    return {"metadata": {"name": name, "namespace": namespace}, "rules": list(rules)}


def cluster_role(name: str, *rules: Object) -> Object:
    """A ClusterRole."""
    return {"metadata": {"name": name}, "rules": list(rules)}


def binding(namespace: str, name: str, of: tuple[str, str], *subjects: Object) -> Object:
    """A RoleBinding of a kind of role and its name."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": of[0], "name": of[1]},
        "subjects": list(subjects),
    }


def cluster_binding(name: str, of: str, *subjects: Object) -> Object:
    """A ClusterRoleBinding of a ClusterRole."""
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": of},
        "subjects": list(subjects),
    }


def user(name: str) -> Object:
    """A subject."""
    return {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}


def group(name: str) -> Object:
    """A subject."""
    return {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name}


def account(namespace: str, name: str) -> Object:
    """A subject; it has no namespace where that is empty."""
    return {"kind": "ServiceAccount", "name": name} | ({"namespace": namespace} if namespace else {})


def finding(name: str, severity: str, **fields: Any) -> Finding:  # noqa: ANN401 - fields of Finding
    """With that id; its check and its subject are in it."""
    check, _, subject = name.partition(":")
    made = {"id": name, "check": check, "severity": severity, "subject": subject.rpartition(":")[0] or subject}
    told = {"problem": "it can do that", "evidence": "ClusterRoleBinding b of ClusterRole r"}
    return Finding.model_validate(made | told | {"fix": "`kubectl delete clusterrolebinding b`"} | fields)


def audit(*findings: Finding, cells: tuple[Object, ...] = (), **fields: Any) -> Audit:  # noqa: ANN401 - of Audit
    """Of a cluster with a policy, whose matrix has a cell that holds and these."""
    holds = {"right": "get pods", "wanted": "allow", "allowed": True, "namespace": "shop"}
    made: Object = {
        "observed_at": datetime(2026, 12, 1, 12, tzinfo=UTC),
        "bindings": 4,
        "subjects": 3,
        "findings": findings,
        "cells": [{"subject": "User:ada"} | one for one in (holds, *cells)],
        "has_policy": True,
        "sampled": 10,
        "enforcement": {"reason": "there is no NetworkPolicy"},
    }
    return Audit.model_validate(made | fields)
