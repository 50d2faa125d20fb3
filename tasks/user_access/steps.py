"""Contains the Prefect tasks of a grant and of a revocation. No result has a secret."""

from datetime import UTC, datetime

from prefect import task

from tasks.access.models.login import Credential
from tasks.access.policy_file import read_policy
from tasks.cluster import open_cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.report import Approval
from tasks.core.retries import ACT, OBSERVE
from tasks.core.settings import Settings
from tasks.run.locks import Check
from tasks.user_access import revoke
from tasks.user_access.certificates import issue_certificate
from tasks.user_access.ledger import mark_taken, remove_undelivered
from tasks.user_access.models.credentials import Granted, People, Removed
from tasks.user_access.models.grant import GrantOptions, Login, UserFacts
from tasks.user_access.models.revoke import Revoked, RevokeFacts
from tasks.user_access.observe import cells_about, credentials_of, look_at_user
from tasks.user_access.policy.person import what_forbids_approval
from tasks.user_access.probes.tokens import SECRETS
from tasks.user_access.signing import remove_left
from tasks.user_access.tokens import has_ended, issue_token, remove_secret
from tasks.user_access.trust import read_trust
from tasks.user_access.work import Work


@task(**OBSERVE, task_run_name="observe-user-{cluster}-{user}")
def observe_user(cluster: str, user: str, options: GrantOptions) -> UserFacts:
    """Reads what the policy wants for a user, what the API allows now, and which credentials of ours the user has."""
    return look_at_user(open_cluster(cluster), read_policy(Settings().clusters, cluster), user, options)


def people_of(login: Login | None, options: GrantOptions, approval: Approval | None, run_id: str) -> People:
    """Returns who asked and who approved.

    Raises `Refused` if a certificate was not approved by another person than the one who asked for it.
    """
    if login and login.kind is Credential.CERTIFICATE:
        problem = what_forbids_approval(options.requested_by, approval)
        if problem:
            raise Refused(f"{problem.text}; nothing was touched", hint=problem.next_step)
    return People(requested_by=options.requested_by, approved_by=approval.who if approval else "", run_id=run_id)


@task(**ACT, task_run_name="remove-leftovers-{cluster}-{user}")
def remove_leftovers(cluster: str, user: str, check: Check) -> Removed:
    """Removes what interrupted runs left: Secrets, certificate requests, and objects in the bucket without an entry."""
    handle = open_cluster(cluster)
    facts = credentials_of(handle, user)
    for secret in facts.undelivered:
        check()
        remove_secret(handle.kube, secret)
    requests = remove_left(handle.kube, facts.requests, check)
    keys = remove_undelivered(handle, user, facts.entries)
    return Removed(removed=(*(one.id for one in facts.undelivered), *requests, *keys))


@task(**ACT, task_run_name="give-credential-{cluster}-{facts.user}")
def give_credential(cluster: str, facts: UserFacts, options: GrantOptions, people: People, check: Check) -> Granted:
    """Issues the credential of the plan, proves it by logging in, and delivers it encrypted for the user.

    A credential that this run has delivered before is returned as it is.
    """
    handle, user = open_cluster(cluster), facts.user
    for entry in credentials_of(handle, user).open:
        if entry.run_id == people.run_id:
            return Granted(entry=entry, place=handle.store.uri(entry.sealed), proof=None, earlier=True)
    login, policy = facts.login, facts.objects.policy
    if login is None or policy is None:
        raise Refused(f"{user} gets no credential by the policy", hint="add access: to this user in access.yaml")
    cells, trust = cells_about(handle.kube, policy, user), read_trust(handle)
    work = Work(handle, login, cells, trust, people, check)
    is_token = login.kind is Credential.TOKEN
    granted = issue_token(work) if is_token else issue_certificate(work, options.request)
    place = handle.store.uri(granted.entry.sealed)
    log_about(user).info("%s in %s", granted.entry.credential_id, place)
    return granted.model_copy(update={"place": place})


@task(**ACT, task_run_name="remove-previous-{cluster}-{user}")
def remove_previous(cluster: str, user: str, options: GrantOptions, people: People, check: Check) -> Removed:
    """Removes the Secrets of older tokens of the user: the new credential is proven and delivered.

    It marks each token as taken back whose Secret is gone by then, also if an interrupted run removed it.
    """
    if options.keep_previous:
        return Removed()
    handle = open_cluster(cluster)
    facts = credentials_of(handle, user)
    own = {one.secret_uid for one in facts.open if one.run_id == people.run_id}
    gone = [one for one in facts.previous if one.uid not in own]
    for secret in gone:
        check()
        remove_secret(handle.kube, secret)
        if handle.kube.find(f"{SECRETS}/{secret.name}"):
            raise NotYet(f"Secret {secret.id} is still there", hint="check its finalizers")
    for entry in facts.open:
        if entry.kind is Credential.TOKEN and entry.secret_uid not in own and has_ended(handle.kube, entry):
            mark_taken(handle, entry, datetime.now(UTC), people.run_id)
    return Removed(removed=tuple(one.id for one in gone))


@task(**OBSERVE, task_run_name="observe-revocation-{cluster}-{user}")
def observe_revocation(cluster: str, user: str) -> RevokeFacts:
    """Reads what of a user is in the cluster and in the bucket."""
    return revoke.look_at_revocation(open_cluster(cluster), read_policy(Settings().clusters, cluster), user)


@task(**ACT, task_run_name="take-back-{cluster}-{user}")
def take_back(cluster: str, user: str, run_id: str, check: Check) -> Revoked:
    """Removes everything of ours that gives access to a user, and proves that real logins are answered by 401."""
    handle, policy = open_cluster(cluster), read_policy(Settings().clusters, cluster)
    return revoke.revoke(handle, policy, user, run_id, check)


@task(**OBSERVE, task_run_name="check-nothing-left-{revoked.user}")
def check_nothing_left(revoked: Revoked) -> None:
    """Raises `StillHasAccess` if the user can still use something."""
    revoke.fail_if_left(revoked)
