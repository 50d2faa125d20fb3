"""Contains the Prefect tasks: Secrets are created and proven, ServiceAccounts switched, old Secrets removed."""

from prefect import task

from tasks.clients.kube import JSON, Conflicted, KubeClient
from tasks.cluster import open_cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.retries import ACT, OBSERVE
from tasks.registries.models.secrets import LABEL, FoundSecret, PullFacts
from tasks.registries.models.verdict import Verdict
from tasks.registries.observe import Fingerprints, read_pulls, read_salt
from tasks.registries.policy.contents import data_of
from tasks.registries.probes.pulls import parse_account
from tasks.registry_credentials.models import (
    NEW,
    OLD,
    Created,
    CredentialFacts,
    CredentialOptions,
    Left,
    Proven,
    Removed,
    Switched,
    Wanted,
)
from tasks.registry_credentials.observe import observe_all, prove_stored, read_declared
from tasks.registry_credentials.policy.names import find, has_credential, old_secrets, switched
from tasks.registry_credentials.policy.plan import to_do
from tasks.run.locks import Check

RUN, REGISTRY = "kube-runbooks.io/run", "kube-runbooks.io/registry"


@task(**OBSERVE, task_run_name="observe-{cluster}")
def observe_credentials(cluster: str, registry: str) -> CredentialFacts:
    """Reads the Secrets of the registry and who names them, and asks the registry from each node."""
    return observe_all(open_cluster(cluster), registry)


@task(**ACT, task_run_name="create-secrets-{cluster}")
def create_secrets(cluster: str, facts: CredentialFacts, run_id: str, check: Check) -> Created:
    """Creates the new Secrets. Nothing names them yet, and a Secret that is there already is not touched."""
    kube = open_cluster(cluster).kube
    fingerprints = Fingerprints(read_salt(kube))
    created, present = [], []
    everything = read_declared(cluster, facts.registry)
    now = [(one.entry.name, fingerprints.of(one.entry.username, one.password)) for one in everything]
    if now != [(one.entry, one.fingerprint) for one in facts.wanted]:
        raise Refused(
            f"{facts.registry}: the access policy has other credentials than the plan",
            hint="run this again: it makes a new plan",
        )
    for declared, wanted in zip(everything, facts.wanted, strict=True):
        data = data_of(wanted.registry, declared.entry.username, declared.password)
        for namespace in wanted.namespaces:
            path = f"/api/v1/namespaces/{namespace}/secrets"
            if kube.find(f"{path}/{wanted.secret}"):
                present.append(f"{namespace}/{wanted.secret}")
                continue
            check()
            kube.create(path, secret_of(wanted, data, run_id))
            created.append(f"{namespace}/{wanted.secret}")
            log_about(f"{namespace}/{wanted.secret}").info("created")
    return Created(created=tuple(created), present=tuple(present))


def secret_of(wanted: Wanted, data: dict[str, str], run_id: str) -> JSON:
    """Returns the Secret. Nobody can change it: another credential gets another name."""
    return {
        "metadata": {
            "name": wanted.secret,
            "labels": {LABEL: wanted.entry},
            "annotations": {RUN: run_id, REGISTRY: wanted.registry},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "immutable": True,
        "data": data,
    }


@task(**ACT, task_run_name="prove-pull-{cluster}")
def prove_pull(cluster: str, facts: CredentialFacts, options: CredentialOptions) -> Proven:
    """Proves from each node that the registry gives the images with the Secrets as they are stored.

    Raises `Refused` if it refuses, and `NotYet` if a node or the registry does not answer.
    """
    handle = open_cluster(cluster)
    found = _read(handle.kube, facts)
    proofs = [prove_stored(handle, wanted, found) for wanted in facts.wanted]
    asked = tuple(one for proof in proofs for one in proof.asked)
    bad = [one for one in asked if one.who == NEW and not one.is_proven]
    silent = [one for one in bad if one.verdict is Verdict.UNKNOWN]
    if refused := [one for one in bad if one not in silent]:
        told = [f"{one.image} from {one.node}: {one.said}" for one in refused]
        raise Refused(
            f"a pull with the new Secret is refused, and no ServiceAccount was changed by this step: {listed(told)}",
            hint="correct username, password or images in pull_secrets of the cluster's access.yaml",
        )
    if silent and not options.allow_unasked:
        told = [f"{one.image} from {one.node}: {one.said}" for one in silent]
        raise NotYet(f"a pull is not proven: {listed(told)}", hint="correct the way from the node to the registry")
    return Proven(asked=asked, unasked=tuple(dict.fromkeys(one for proof in proofs for one in proof.unasked)))


def _read(kube: KubeClient, facts: CredentialFacts) -> PullFacts:
    return read_pulls(kube, Fingerprints(read_salt(kube), facts.registry)).facts


@task(**ACT, task_run_name="switch-accounts-{cluster}")
def switch_accounts(cluster: str, facts: CredentialFacts, check: Check) -> Switched:
    """Names the new Secrets in the ServiceAccounts; entries of others stay."""
    kube = open_cluster(cluster).kube
    told = [
        one
        for wanted in facts.wanted
        for namespace in wanted.namespaces
        for name in wanted.accounts
        if (one := _switch(kube, f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}", wanted, check))
    ]
    return Switched(switched=tuple(told))


def _switch(kube: KubeClient, path: str, wanted: Wanted, check: Check) -> str:
    """Writes the list only if nobody has changed it since it was read: the API replaces a list as a whole."""
    raw = kube.get(path)
    account, version = parse_account(raw), raw["metadata"]["resourceVersion"]
    new = switched(account.secrets, wanted)
    if new == account.secrets:
        return ""
    check()
    had = {"op": "test", "path": "/imagePullSecrets", "value": raw.get("imagePullSecrets")}
    none = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    change = {"op": "add", "path": "/imagePullSecrets", "value": [{"name": name} for name in new]}
    try:
        kube.patch(path, [had if account.secrets else none, change], "json")
    except Refused:
        if kube.get(path)["metadata"]["resourceVersion"] == version:
            raise
        raise NotYet(f"the ServiceAccount {account.id} changed while its pull Secrets were switched") from None
    log_about(account.id).info("imagePullSecrets: %s -> %s", listed(account.secrets) or "none", listed(new))
    return f"{account.id}: [{', '.join(account.secrets)}] -> [{', '.join(new)}]"


@task(**ACT, task_run_name="remove-old-{cluster}")
def remove_old_secrets(cluster: str, facts: CredentialFacts, check: Check) -> Removed:
    """Removes old Secrets of ours that nothing names any more, and only where the new one is in place."""
    kube = open_cluster(cluster).kube
    found = _read(kube, facts)
    removed, kept = [], []
    for wanted in facts.wanted:
        for old in old_secrets(found, wanted):
            names = found.names(old)
            successor = find(found, old.namespace, wanted.secret)
            if old.namespace in wanted.namespaces and not (successor and has_credential(successor, wanted)):
                kept.append(f"{old.id}: {wanted.secret} is not there")
            elif names:
                kept.append(f"{old.id}: named by {listed(names)}")
            else:
                check()
                problem = _remove(kube, old)
                if problem:
                    kept.append(f"{old.id}: {problem}")
                else:
                    removed.append(old.id)
                    log_about(old.id).info("removed: nothing named it any more")
    return Removed(removed=tuple(removed), kept=tuple(kept))


def _remove(kube: KubeClient, old: FoundSecret) -> str:
    """Deletes a Secret; it returns why not, if another one has its name meanwhile."""
    try:
        kube.delete(f"/api/v1/namespaces/{old.namespace}/secrets/{old.name}", {"preconditions": {"uid": old.uid}})
    except Conflicted as error:
        return f"another Secret has its name now: {error.problem}"
    return ""


@task(**OBSERVE, task_run_name="look-again-{cluster}")
def look_again(cluster: str, registry: str) -> Left:
    """Observes again: namespaces and ServiceAccounts may be new, and old credentials may be refused by now."""
    facts = observe_all(open_cluster(cluster), registry)
    return Left(
        left=tuple(f"{one.subject}: {one.act}" for one in to_do(facts)),
        old=tuple(one for one in facts.asked if one.who == OLD),
    )
