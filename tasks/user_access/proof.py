"""Proves a credential by logging in with it: who the API server recognises, and every cell of the policy's matrix."""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

from tasks.access.models.audit import Asked, Judged
from tasks.access.models.rights import Identity
from tasks.clients.kube import AT_ONCE, KubeClient, KubeUser
from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.probes.kubeconfig import Kubeconfig
from tasks.user_access.models.credentials import CellsProof
from tasks.user_access.policy.plan import failing
from tasks.user_access.probes.tokens import MAY, WHO, WHO_AM_I, parse_judgement, parse_user, self_review_of

LIMIT = timedelta(seconds=20)
"""Limits how long the API servers may take to read new bindings."""

REQUEST = timedelta(seconds=20)


def prove(handle: Cluster, config: Kubeconfig, who: Identity, asked: Sequence[Asked]) -> CellsProof:
    """Logs in with exactly this kubeconfig, and asks about each cell.

    It first asks without a credential: an answer there would mean that the login proves nothing.

    Raises:
        Refused: the API server recognises somebody else, or recognises the user without any credential.
        TimedOut: cells do not hold; the problem lists them.
    """
    with closing(handle.kube_as(config.server, KubeUser(config.ca.encode()), REQUEST)) as stranger:
        without = _without(stranger, who.user)
    key, token = config.key.get_secret_value(), config.token.get_secret_value()
    user = KubeUser(config.ca.encode(), config.certificate.encode(), key.encode(), token)
    with closing(handle.kube_as(config.server, user, REQUEST)) as kube:
        username, groups, credential_id = parse_user(kube.create(WHO, dict(WHO_AM_I)))
        _refuse_another(who, username, groups)
        cells = wait_for(
            lambda: _held(kube, asked), LIMIT, what="the rights of the policy to be in force", about=who.user
        )
        return CellsProof(
            username=username,
            groups=groups,
            credential_id=credential_id,
            without=without,
            through=kube.server_name,
            allowed=sum(one.wanted == "allow" for one in cells),
            denied=sum(one.wanted == "deny" for one in cells),
        )


def _without(stranger: KubeClient, user: str) -> str:
    answer = stranger.send("POST", WHO, dict(WHO_AM_I))
    if answer.is_fine and (found := parse_user(answer.body)[0]) == user:
        raise Refused(f"the API server answers as {found} without any credential", hint="check what answers there")
    return f"{answer.status} {answer.message}" if not answer.is_fine else "it recognises nobody"


def _refuse_another(who: Identity, username: str, groups: tuple[str, ...]) -> None:
    if username != who.user:
        raise Refused(
            f"the API server recognises {username} by the credential, not {who.user}",
            hint="check --authentication-config and the OIDC flags of the API servers",
        )
    if sorted(groups) != sorted(who.groups):
        raise Refused(
            f"{username} has the groups {', '.join(sorted(groups))}, not {', '.join(sorted(who.groups))}",
            hint="correct groups: of the user in the cluster's access.yaml",
        )


def _held(kube: KubeClient, asked: Sequence[Asked]) -> list[Judged]:
    """Returns all cells; raises `NotYet` with those that do not hold."""
    cells = on_all(lambda one: _judge(kube, one), asked, most=AT_ONCE)
    if wrong := failing(cells):
        raise NotYet(
            f"{len(wrong)} of {len(cells)} cells fail: {'; '.join(wrong)}",
            hint="correct the bindings, or the cluster's access.yaml",
        )
    return cells


def _judge(kube: KubeClient, one: Asked) -> Judged:
    fields = one.cell.model_dump()
    if one.question is None:
        return Judged(**fields)
    answer = parse_judgement(kube.create(MAY, self_review_of(one.question)))
    return Judged(**fields, allowed=answer.allowed, reason=answer.reason or answer.evaluation_error)
