"""Decides what the answers of a registry mean for the rotation of its credentials."""

from collections.abc import Iterator

from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import figure
from tasks.registries.models.verdict import Verdict
from tasks.registry_credentials.models import NEW, NOBODY, OLD, Asked, CredentialOptions

FILE = "pull_secrets of the cluster's access.yaml"
UNASKED = "or add --allow-unasked"


def findings_of_answers(asked: list[Asked], options: CredentialOptions) -> Iterator[Finding]:
    """Yields a refusal for each image that the new credential does not get, and cautions about all other answers."""
    yield from _not_proven(asked, options)
    for image in dict.fromkeys(one.image for one in asked if one.who == NOBODY and one.is_proven):
        problem = f"{image} can be pulled without a credential: that a pull with it works proves nothing"
        yield cautioned(
            asked[0].entry, problem, f"name an image in {FILE} that the registry does not give to everybody"
        )
    for one in asked:
        if one.who == OLD:
            revoke = "revoke it at the registry when nothing uses it any more" if one.is_proven else ""
            yield cautioned(one.entry, figure(old_words(one)), revoke)
    yield from _uncertain([one for one in asked if one.who == NEW and one.uncertain])


def old_words(one: Asked) -> str:
    """Returns what the registry says to an old credential."""
    where = f"the old credential of {listed(one.secrets)}" if one.secrets else "the previous password"
    if one.is_proven:
        return f"{where} still works at the registry"
    if one.verdict is Verdict.UNKNOWN:
        return f"whether {where} still works is not known: {one.said}"
    return f"{where} is refused now: {one.said}"


def _not_proven(asked: list[Asked], options: CredentialOptions) -> Iterator[Finding]:
    found: dict[tuple[str, bool], list[Asked]] = {}
    for one in asked:
        if one.who == NEW and not one.is_proven:
            found.setdefault((one.image, one.verdict is Verdict.UNKNOWN), []).append(one)
    for (image, is_silent), answers in found.items():
        entry, nodes, said = answers[0].entry, listed([one.node for one in answers]), answers[0].said
        if not is_silent:
            problem = f"{image} cannot be pulled with the credential of the policy, asked from {nodes}: {said}"
            yield refused(entry, problem, f"correct username, password or images in {FILE}")
        elif options.allow_unasked:
            yield cautioned(entry, f"a pull of {image} is not proven from {nodes}: {said}")
        else:
            problem = f"{image} could not be asked for from {nodes}: {said}"
            yield refused(entry, problem, f"correct the way from the node to the registry, {UNASKED}")


def _uncertain(asked: list[Asked]) -> Iterator[Finding]:
    found: dict[tuple[str, ...], list[Asked]] = {}
    for one in asked:
        found.setdefault(one.uncertain, []).append(one)
    for why, answers in found.items():
        nodes = listed(list(dict.fromkeys(one.node for one in answers)))
        problem = f"on {nodes} the kubelet may get another answer: {', '.join(why)}"
        yield cautioned(answers[0].entry, problem, f"start a pod with {answers[0].image} there to see")
