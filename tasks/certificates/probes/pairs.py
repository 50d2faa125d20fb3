"""Finds static pods that use kubeadm's certificate with another key, or kubeadm's key with another certificate."""

from collections.abc import Iterator

from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.probes.answer import Answer, told_in
from tasks.certificates.probes.closer import KEY_FLAGS, LEAF_FLAGS, key_beside


def keys_named(answer: Answer) -> list[str]:
    """Returns the keys whose real places decide whether a pair is kubeadm's: those of flags, and kubeadm's own."""
    found = (key for _, _, _, *keys in _told(answer) for key in keys)
    return list(dict.fromkeys(found))


def split_pairs(answer: Answer) -> dict[str, str]:
    """Maps each leaf of which a static pod uses one half only to the flags that say so.

    kubeadm renews both halves in its own place: the program would have a certificate and a key that do not match.
    """
    real = {told_in(path): told_in(place) for path, place in answer.told.pairs("real")}
    found = {}
    for leaf, program, certificate, key, own_key in _told(answer):
        own = answer.kubeadms(LEAVES[leaf].file)
        has_certificate = answer.shown(certificate) == answer.shown(own)
        if has_certificate != (real.get(key, key) == real.get(own_key, own_key)):
            _, flag = LEAF_FLAGS[leaf]
            found[leaf] = (
                f"{program} has --{flag} {certificate} with --{KEY_FLAGS[flag]} {key}, and kubeadm renews {own} together with "
                f"{own_key}"
            )
    return found


def _told(answer: Answer) -> Iterator[tuple[str, str, str, str, str]]:
    """Yields each leaf with the program, its certificate and its key by flags, and kubeadm's key."""
    for leaf, (program, flag) in LEAF_FLAGS.items():
        certificate, key = answer.file_of(program, flag), answer.file_of(program, KEY_FLAGS[flag])
        if certificate and key:
            yield leaf, program, certificate, key, key_beside(answer.kubeadms(LEAVES[leaf].file))
