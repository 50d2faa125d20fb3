"""Reads how a program of the control plane is configured: the one reader of its flags, with its files as the node has them."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from tasks.core.models.outside import LeaderElection
from tasks.core.models.shape import KeyPair, Pod
from tasks.core.probes.kubelet_config import SWITCHES
from tasks.core.probes.static_pods import every_flag, image_of, parse_flags, place_on_host, serving_pair_of, words_of

NO_ELECTION = LeaderElection()

SNI_FLAG = "tls-sni-cert-key"
"""Names the flag for a certificate and its key for certain names. It may be given several times."""


def pod_in(manifest: str, *, parked: bool) -> Pod:
    """Returns the static pod that a manifest defines. It raises `ValueError` if the manifest has no flags."""
    told = list(every_flag(words_of(manifest)))
    if not told:
        message = "it has no flags that are understood"
        raise ValueError(message)
    flags = dict(told)
    files = {flag: PurePosixPath(place_on_host(manifest, text)) for flag, text in flags.items() if text.startswith("/")}
    values = {flag: [text for name, text in told if name == flag and text] for flag in flags}
    pairs, problems = [], []
    for value in values.get(SNI_FLAG, ()):
        try:
            pairs.append(_pair_in(manifest, value))
        except ValueError as error:
            problems.append(f"--{SNI_FLAG}: {error}")
    return Pod(
        flags=flags,
        files=files,
        repeated={
            flag: tuple(place_on_host(manifest, text) for text in found)
            for flag, found in values.items()
            if found[1:] and flag != SNI_FLAG
        },
        serving_pairs=tuple(pairs),
        pair_problems=tuple(problems),
        image=image_of(manifest),
        parked=parked,
    )


def lease_of(component: str, flags: Mapping[str, str], election: LeaderElection = NO_ELECTION) -> str:
    """Returns namespace/name of the Lease by which a controller elects its leader. It is empty if it elects none.

    Flags win over `leaderElection` of the configuration that `--config` names (kube-scheduler v1.36).
    """
    by_flag = SWITCHES.get(flags.get("leader-elect", "").lower())
    if by_flag is False or (by_flag is None and election.leader_elect is False):
        return ""
    namespace = flags.get("leader-elect-resource-namespace") or election.resource_namespace or "kube-system"
    return f"{namespace}/{flags.get('leader-elect-resource-name') or election.resource_name or component}"


def program_of(words: Sequence[str]) -> Pod:
    """Returns a program that is no pod, such as etcd as a systemd unit: its paths are those of the node."""
    flags = parse_flags(words)
    return Pod(flags=flags, files={flag: PurePosixPath(text) for flag, text in flags.items() if text.startswith("/")})


def _pair_in(manifest: str, value: str) -> KeyPair:
    found = serving_pair_of(value)
    certificate, key = (PurePosixPath(place_on_host(manifest, file)) for file in (found.certificate, found.key))
    return KeyPair(certificate=certificate, key=key)
