"""Objects of a backup, and what a dry run says about them, for the rules of a restore."""

from datetime import UTC, datetime
from typing import Any

from tasks.resources_restore.models import Judged, LeftOut, RestoreFacts, Target, Verdict

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
BACKUP = "20261201T110000Z-r184223-5f0c1a2b"

RESOURCES = {
    "": ("v1", {"ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "PersistentVolumeClaim", "LimitRange"}),
}
CLUSTER_SCOPED = {"Namespace", "PersistentVolume", "CustomResourceDefinition", "ClusterRole", "StorageClass", "Widget"}


def target(kind: str = "ConfigMap", name: str = "settings", namespace: str = "shop", **fields: Any) -> Target:  # noqa: ANN401 - fields of a target
    """One object; a kind without a namespace has none."""
    namespaced = kind not in CLUSTER_SCOPED
    within = namespace if namespaced else ""
    usual: dict[str, Any] = {
        "group": "",
        "version": "v1",
        "kind": kind,
        "resource": f"{kind.lower()}s",
        "namespaced": namespaced,
        "namespace": within,
        "name": name,
        "source": within,
    }
    return Target.model_validate(usual | fields)


def body(one: Target, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of an object
    """The object as a backup has it."""
    metadata = {"name": one.name} | ({"namespace": one.source} if one.namespaced else {})
    metadata |= fields.pop("metadata", {})
    return {"apiVersion": one.api_version, "kind": one.kind, "metadata": metadata, **fields}


def judged(verdict: Verdict = Verdict.CREATE, one: Target | None = None, **fields: Any) -> Judged:  # noqa: ANN401 - fields of Judged
    """What a dry run says about it."""
    usual: dict[str, Any] = {"target": one or target(), "verdict": verdict, "reason": "it is not in the cluster"}
    return Judged.model_validate(usual | fields)


def facts(*found: Judged, **fields: Any) -> RestoreFacts:  # noqa: ANN401 - fields of RestoreFacts
    """What a restore knows."""
    usual: dict[str, Any] = {
        "observed_at": NOW,
        "backup": BACKUP,
        "from_cluster": "prod",
        "taken_at": NOW,
        "judged": found,
    }
    return RestoreFacts.model_validate(usual | fields)


def shop() -> RestoreFacts:
    """A namespace that was deleted, and a setting that differs in another one."""
    namespace = judged(one=target("Namespace", "shop"))
    after = Verdict.AFTER
    comes = "the namespace shop comes with this run"
    web = target("Deployment", "web", group="apps", resource="deployments")
    service = target("Service", "web")
    note = "10.96.0.20 is of shop/old: shop/web gets another address"
    differs = 'data.color: "red" -> "blue"'
    other = target("ConfigMap", "settings", "ops")
    return facts(
        namespace,
        judged(after, target("ConfigMap", "settings"), reason=comes),
        judged(after, service, reason=comes, notes=(note,)),
        judged(after, web, reason=comes),
        judged(Verdict.LEAVE, other, reason=f"it exists, and differs: {differs}", difference=(differs,)),
        judged(Verdict.UNCHANGED, target("ConfigMap", "same", "ops"), reason="it is as the backup has it"),
        left=(LeftOut(label="12 pods", reason="its controller makes it"),),
    )
