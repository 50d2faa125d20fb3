"""Decides what a grant does: which credential is made, which older ones go, and what forbids it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tasks.access.models.audit import Judged
from tasks.access.models.login import Credential
from tasks.access.policy.audit import words_of
from tasks.access_apply.models import ApplyOptions
from tasks.access_apply.policy.plan import plan_apply
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import Caution, Mode, Plan, Refusal, Skip, Step, figure
from tasks.core.words import counted, duration_in_words
from tasks.user_access.models.grant import GrantOptions, Login, UserFacts
from tasks.user_access.models.requests import Asked, Expected
from tasks.user_access.policy.login import label_of
from tasks.user_access.policy.person import plain
from tasks.user_access.policy.requests import what_is_wrong_with

FILE = "the cluster's access.yaml"

KEEP = ApplyOptions(remove=False)
"""A grant takes nothing away: that is the work of `access_apply`."""
SHOWN = 5


def plan_grant(facts: UserFacts, options: GrantOptions, *, mode: Mode, run_id: str, now: datetime) -> Plan:
    """Returns the plan of a grant. A credential that this run has delivered before is not made again."""
    if facts.login is None:
        return Plan(refusals=(_unknown(facts),))
    login = facts.login
    objects = plan_apply(facts.objects, KEEP)
    found = [
        *_policy(facts, login, options, mode),
        *_request(login, facts.asked),
        *_cells(facts),
        *_old(facts, run_id, now),
    ]
    delivered = any(one.run_id == run_id for one in facts.open)
    skips = (
        [Skip(subject=login.user, reason=figure("this run has already delivered a credential"))] if delivered else []
    )
    return Plan(
        steps=(*objects.steps, *_steps(facts, login, options, run_id, delivered=delivered)),
        skips=(*objects.skips, *skips),
        cautions=(*objects.cautions, *(one for one in found if isinstance(one, Caution))),
        refusals=(*objects.refusals, *(one for one in found if isinstance(one, Refusal))),
    )


def expected_of(login: Login, labels: dict[str, str], public_key: str = "") -> Expected:
    """Returns what the certificate request of a user has to be."""
    return Expected(
        user=login.user,
        groups=login.groups,
        seconds=int(login.lifetime.total_seconds()),
        labels=labels,
        public_key=public_key,
    )


def _unknown(facts: UserFacts) -> Refusal:
    if facts.objects.policy is None:
        return refused(facts.user, "the cluster has no access policy", f"write {FILE} (docs/access.md)")
    if facts.problem:
        return refused(facts.user, facts.problem, f"add it to this user in {FILE} (docs/user-access.md)")
    known = listed(facts.known, SHOWN) or "none"
    return refused(facts.user, f"the access policy does not name this user; it names {known}", f"add it to {FILE}")


def _policy(facts: UserFacts, login: Login, options: GrantOptions, mode: Mode) -> Iterator[Finding]:
    if not facts.endpoint:
        problem = "the server of the kubeconfig is not known: kubeadm-config has no controlPlaneEndpoint"
        yield refused("endpoint", problem, "set controlPlaneEndpoint in the ConfigMap kube-system/kubeadm-config")
    if login.kind is Credential.TOKEN:
        if options.request:
            problem = "a certificate request was given, and the policy wants a token"
            yield refused(login.user, problem, f"leave the request out, or set credential: certificate in {FILE}")
        return
    if mode is Mode.APPLY:
        problem = "a certificate cannot be taken back, so another person has to approve it"
        yield refused(login.user, problem, "use --mode=approve")
    if not plain(options.requested_by):
        problem = "who asks for the certificate is not known, so nobody could be another person"
        yield refused(login.user, problem, "name the person: --requested-by")


def _request(login: Login, asked: Asked | None) -> Iterator[Finding]:
    """Yields what is wrong with a request that the user gave."""
    if asked is None:
        return
    for problem in what_is_wrong_with(asked, expected_of(login, {})):
        yield refused("request", problem, "make a new request, for example as in docs/user-access.md")
    text = "the key is the user's own, so the run cannot log in: it asks the API server about each right instead"
    yield cautioned("request", text, "the user tries the kubeconfig")


def _cells(facts: UserFacts) -> Iterator[Finding]:
    """Yields the cells that fail and that the objects of the user do not correct."""
    cells = [one for one in facts.objects.cells if one.subject == label_of(facts.user)]
    wrong = [one for one in cells if one.label in facts.objects.stay]
    if wrong:
        problem = f"{counted(len(wrong), 'cell')} of the matrix cannot hold: "
        problem += listed([words_of(one) for one in wrong], SHOWN)
        yield refused(facts.user, problem, f"correct the bindings of others, or {FILE}")
    if not cells:
        problem = "the policy has no right of this user, so nothing is proven but the login"
        yield cautioned(facts.user, problem, f"write can: and cannot: into {FILE}")


def _old(facts: UserFacts, run_id: str, now: datetime) -> Iterator[Finding]:
    """Yields what interrupted runs left, and the certificates of the user that stay valid."""
    for name in (*(f"Secret {one.id}" for one in facts.undelivered), *facts.requests):
        problem = f"{name}: an interrupted run left it, and what belongs to it was never delivered; this run removes it"
        yield cautioned(facts.user, figure(problem))
    for one in facts.open:
        if one.kind is Credential.CERTIFICATE and one.expires_at > now and one.run_id != run_id:
            problem = f"the certificate {one.serial} stays valid until {one.expires_at:%Y-%m-%d %H:%M} UTC"
            yield cautioned(facts.user, problem, "nothing but a new CA ends it")


def _steps(facts: UserFacts, login: Login, options: GrantOptions, run_id: str, *, delivered: bool) -> Iterator[Step]:
    if not delivered:
        yield Step(
            subject=login.user,
            act=f"issue a {login.kind} for {duration_in_words(login.lifetime)}, prove it, and encrypt it for its recipient",
            reason=_why(login),
        )
    own = {one.secret_uid for one in facts.open if one.run_id == run_id}
    for one in () if options.keep_previous else facts.previous:
        if one.uid not in own:
            yield Step(subject=f"Secret {one.id}", act="remove it after the proof", reason="its token is replaced")


def _why(login: Login) -> str:
    groups = f" with the groups {', '.join(login.groups)}" if login.groups else ""
    as_whom = login.identity.user if login.kind is Credential.TOKEN else f"{login.user}{groups}"
    return f"the policy wants it: as {as_whom}, for the recipient {login.recipient}"


def failing(cells: Sequence[Judged]) -> tuple[str, ...]:
    """Returns the cells that do not hold, in words."""
    return tuple(words_of(one) for one in cells if not one.holds)
