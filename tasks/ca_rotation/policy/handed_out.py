"""Checks what the API publishes of a CA to pods, joining nodes and aggregated APIs, and which copies others keep."""

from collections.abc import Iterator

from tasks.ca_rotation.models import Stage
from tasks.ca_rotation.policy.situation import StageSituation
from tasks.certificates.models.authorities import State
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.kubeadm import CONTROLLER_MANAGER, Authority
from tasks.core.models.plan import figure

_PUBLISHER = f"check the log of {CONTROLLER_MANAGER}: its root-ca-certificate-publisher writes it"
_EXTENSION = "extension-apiserver-authentication"


def of_what_is_handed_out_now(situation: StageSituation) -> Iterator[Finding]:
    """Yields refusals if the cluster does not publish its current CA before the first stage.

    The run ends with a wait for what the cluster publishes itself. Without this check that wait could be in vain.
    """
    api, old = situation.facts.api, situation.old
    begins = all(situation.state(node) is State.ONLY_OLD for node in situation.nodes)
    if old is None or not begins or situation.stage is not Stage.TRUST_BOTH:
        return
    if situation.authority is Authority.CLUSTER:
        if behind := [name for name, ids in api.root_cas.items() if old.id not in ids]:
            yield refused(
                "kube-root-ca.crt", f"it has not the CA of the control plane nodes in {listed(behind)}", _PUBLISHER
            )
        if api.rootless:
            yield refused("kube-root-ca.crt", f"there is none in {listed(api.rootless)}", _PUBLISHER)
    handed = {Authority.CLUSTER: api.clients, Authority.FRONT_PROXY: api.front_proxies}.get(situation.authority)
    if handed is not None and old.id not in handed:
        yield refused(
            _EXTENSION,
            "API servers have not written there what they trust",
            f"kubectl -n kube-system get configmap {_EXTENSION}; API servers write it when they start",
        )


def of_what_is_handed_out(situation: StageSituation, both: set[str], step: str) -> Iterator[Finding]:
    """Yields refusals until both CAs are published, before the new one signs. `step` names the run that publishes them."""
    api = situation.facts.api
    if situation.authority is Authority.FRONT_PROXY:
        if not both <= set(api.front_proxies):
            yield refused("extension-apiserver-authentication", "aggregated APIs do not get both CAs", step)
        return
    if situation.authority is not Authority.CLUSTER:
        return
    if api.joinable and not both <= set(api.cluster_info):
        yield refused("cluster-info", "nodes that join do not get both CAs", step)
    if not both <= set(api.clients):
        yield refused("extension-apiserver-authentication", "aggregated APIs do not get both CAs", step)
    if api.rootless:
        yield refused("kube-root-ca.crt", f"there is none in {listed(api.rootless)}", _PUBLISHER)
    if behind := [name for name, ids in api.root_cas.items() if not both <= set(ids)]:
        yield refused(
            "kube-root-ca.crt", f"it has not both yet in {listed(behind)}", f"wait for {CONTROLLER_MANAGER}; or {step}"
        )
    if api.worker and not both <= set(api.worker):
        step = "write a new one there, with both: otherwise this worker locks itself out"
        yield refused("kubernetes.kubeconfig", "the worker's own kubeconfig does not trust both CAs", step)
    if api.old_pods and all(situation.state(node) is situation.before for node in situation.nodes):
        problem = (
            f"{figure(len(api.old_pods))} pods were started before both were handed out: {figure(listed(api.old_pods))}"
        )
        step = "restart them (`kubectl rollout restart`), or add --old-pods-are-fine"
        yield (
            cautioned("pods", problem, step) if situation.options.old_pods_are_fine else refused("pods", problem, step)
        )


def of_what_stays_behind(situation: StageSituation) -> Iterator[Finding]:
    """Yields refusals for copies that lack the new CA.

    Whatever trusts only the old CA is cut off when it is dropped: the cluster's own copies, and the Prefect worker's kubeconfig.
    """
    api, new = situation.facts.api, situation.new
    if situation.authority is not Authority.CLUSTER or new is None:
        return
    if behind := [name for name, ids in api.root_cas.items() if new.id not in ids]:
        yield refused("kube-root-ca.crt", f"it has not the new one in {listed(behind)}", _PUBLISHER)
    if api.worker and new.id not in api.worker:
        step = "write a new one there, with the new CA: otherwise this worker locks itself out"
        yield refused("kubernetes.kubeconfig", "the worker's own kubeconfig does not trust the new CA", step)


def of_copies(situation: StageSituation) -> Iterator[Finding]:
    """Yields findings about copies of the old CA or key.

    Copies of others are theirs, and are only named. What the cluster itself writes must have the new one before that signs.
    """
    api = situation.facts.api
    if api.secrets_unread:
        tokens_count = situation.stage is Stage.DROP_OLD and situation.authority is Authority.SERVICE_ACCOUNTS
        judge = refused if tokens_count else cautioned
        step = "let the profile's kubernetes.kubeconfig list Secrets: `kubectl auth can-i list secrets -A`"
        yield judge("Secrets", f"who has the old one there is not known: {api.secrets_unread}", step)
    for what, names in (("ConfigMaps", api.copies), ("Secrets", api.secrets)):
        if names:
            yield cautioned(
                what,
                f"they have the old one, and not the new one: {listed(names)}",
                "add the new one where they are managed, if anybody reads them",
            )
    if api.token_secrets and situation.stage is not Stage.TRUST_BOTH:
        yield refused(
            "Secrets",
            f"{len(api.token_secrets)} with a service account's token have the old one in ca.crt, and not the new one: "
            f"{listed(api.token_secrets)}",
            f"check the log of {CONTROLLER_MANAGER}: its token controller writes it; or delete those that nobody uses",
        )


def of_bundles(situation: StageSituation) -> Iterator[Finding]:
    """Yields findings about each `caBundle` with the old CA.

    The owner of the object maintains it. The cluster CA is rarely in one.
    """
    if situation.authority is not Authority.CLUSTER or situation.old is None:
        return
    if problem := situation.facts.rotation.inventory.api_problem:
        judge = refused if situation.stage is Stage.SIGN_WITH_NEW else cautioned
        yield judge("API", f"its caBundles are not known: {problem}", "run it again when it answers")
    places: dict[str, set[str]] = {}
    for one in situation.facts.rotation.inventory.objects:
        places.setdefault(one.path, set()).add(one.fingerprint)
    new = situation.new.id if situation.new else ""
    for place, ids in places.items():
        if situation.old.id not in ids:
            continue
        if situation.stage is Stage.DROP_OLD:
            yield cautioned(place, "its caBundle still has the old one", "take it out where it is managed")
        elif new not in ids:
            problem = f"its caBundle has the old one, and {'not the new one' if new else 'will need the new one'}"
            step = "add the new one where it is managed, before its server has a certificate of it"
            yield (
                cautioned(place, problem, step)
                if situation.stage is Stage.TRUST_BOTH
                else refused(place, problem, step)
            )
