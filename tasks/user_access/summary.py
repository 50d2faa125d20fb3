"""Summarizes grants and revocations: what people read first."""

from tasks.access.models.login import Credential
from tasks.core.commands import AGAIN, TO_DO_IT
from tasks.core.models.plan import Plan
from tasks.core.words import counted
from tasks.user_access.models.credentials import Entry, Granted, Removed
from tasks.user_access.models.grant import UserFacts
from tasks.user_access.models.revoke import Revoked, RevokeFacts
from tasks.user_access.probes.kubeconfig import KEY_FILE


def summarize_grant_plan(facts: UserFacts, plan: Plan) -> tuple[str, ...]:
    """Returns the report text of a plan, or of a run that finds its work done."""
    if not plan.steps or facts.login is None:
        return (f"nothing to do: this run has already given {facts.user} the credential",)
    is_certificate = facts.login.kind is Credential.CERTIFICATE
    to_do_it = f"to do it: {AGAIN} --mode=approve; another person approves it" if is_certificate else TO_DO_IT
    return (f"nothing was done: {facts.user} would get a {facts.login.kind}", to_do_it)


def summarize_grant(granted: Granted, left: Removed, removed: Removed) -> tuple[str, ...]:
    """Returns the report text of a grant."""
    entry = granted.entry
    return (
        f"{entry.user} has a {entry.kind} until {entry.expires_at:%Y-%m-%d %H:%M} UTC: {entry.credential_id}",
        f"the kubeconfig is encrypted for {entry.recipient} in {granted.place}; open it with `age --decrypt --identity KEY`",
        _proven(granted),
        *_removed("left by interrupted runs, and removed", left),
        *_removed("older tokens that are worth nothing now", removed),
        _way_back(entry),
    )


def _proven(granted: Granted) -> str:
    if granted.earlier:
        return "an earlier attempt of this run proved and delivered it"
    if granted.proof is None:
        return (
            f"not proven by a login, because only the user has the key (put it beside the kubeconfig as {KEY_FILE}); "
            f"the API server answered {counted(granted.cells, 'cell')} for this name and these groups as the policy wants"
        )
    return f"proven: {granted.proof.in_words}; without the credential: {granted.proof.without}"


def _removed(what: str, removed: Removed) -> tuple[str, ...]:
    return (f"{what}: {', '.join(removed.removed)}",) if removed.removed else ()


def _way_back(entry: Entry) -> str:
    if entry.kind is Credential.TOKEN:
        return f"to take it back within seconds: `kube-runbooks run user-revoke CLUSTER {entry.user}`"
    return "a certificate cannot be taken back: it is valid until then, and only a new CA ends it"


def summarize_revoke_plan(facts: RevokeFacts, plan: Plan) -> tuple[str, ...]:
    """Returns the report text of a plan."""
    return (f"nothing was done: {counted(len(plan.steps), 'object')} of {facts.user} would be removed", TO_DO_IT)


def summarize_nothing(facts: RevokeFacts) -> tuple[str, ...]:
    """Returns the report text where there is nothing to take back."""
    never = "" if facts.entries else ", and no credential was ever given"
    return (f"nothing was done: nothing of ours gives access to {facts.user}{never}",)


def summarize_revoke(revoked: Revoked) -> tuple[str, ...]:
    """Returns the report text of a revocation after which nothing is left but certificates without rights."""
    proven = (
        f"{counted(revoked.logins, 'login')} with new tokens of the same ServiceAccount worked before, "
        f"and {'is' if revoked.logins == 1 else 'are'} answered by 401 now"
        if revoked.logins
        else f"no login was tried: {revoked.not_tried}"
    )
    return (
        f"{revoked.user} has no access of ours any more: {counted(len(revoked.removed), 'object')} removed",
        proven,
        *(f"worth nothing now: {one}" for one in revoked.taken),
        *(one.in_words for one in revoked.certificates),
    )
