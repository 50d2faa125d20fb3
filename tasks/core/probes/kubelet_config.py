"""Reads a kubelet's effective configuration.

It starts with the configuration file. The drop-ins of `--config-dir` override the file, and the flags override
both.

A drop-in is merged by RFC 7396 (JSON merge patch). Maps are merged field by field, a list is replaced as a whole,
and null removes a field.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

JSON = Mapping[str, Any]

BY_FLAG = {
    "cgroup-driver": ("cgroupDriver",),
    "client-ca-file": ("authentication", "x509", "clientCAFile"),
    "fail-cgroupv1": ("failCgroupV1",),
    "fail-swap-on": ("failSwapOn",),
    "rotate-certificates": ("rotateCertificates",),
    "rotate-server-certificates": ("serverTLSBootstrap",),
    "tls-cert-file": ("tlsCertFile",),
    "tls-private-key-file": ("tlsPrivateKeyFile",),
}
"""Maps the kubelet's flags to the fields that they override, for the fields that this project reads.

A value that has a place in the shape of a node is read there from its own flag.
"""

EVICTION = {
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}
"""Lists the kubelet's default thresholds of file systems, for its field evictionHard (v1.37)."""

SWITCHES = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
"""Maps the text of a boolean flag to its value, as Go parses it."""


def overlaid(file: JSON, patches: Iterable[JSON]) -> dict[str, Any]:
    """Returns the file with the patches merged into it. The last patch that sets a field wins."""
    merged = _merged({}, file)
    for one in patches:
        merged = _merged(merged, one)
    return merged


def patches_of(drop_ins: Iterable[JSON], flags: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """Returns the patches that override the file: the drop-ins in their order, then the flags."""
    return tuple(map(dict, (*drop_ins, *_of_flags(flags))))


def eviction_hard(file: JSON, drop_ins: Iterable[JSON], flags: Sequence[str]) -> dict[str, Any]:
    """Returns the hard eviction thresholds, by their signals.

    A kubelet adds its defaults to the file alone: if the file has no thresholds, or if it sets
    mergeDefaultEvictionSettings. Drop-ins are merged into that. A flag replaces all of it.

    Args:
        file: the KubeletConfiguration
        drop_ins: in their order
        flags: values of each --eviction-hard

    Raises:
        ValueError: a kubelet does not take them
    """
    if flags:
        return dict(_threshold(pair) for value in flags for pair in value.split(",") if pair)
    found = file.get("evictionHard")
    adds = found is None or file.get("mergeDefaultEvictionSettings") is True
    if found is not None and not isinstance(found, Mapping):
        raise ValueError(f"evictionHard is {found!r}, which is no map")
    merged = overlaid({"evictionHard": {**(EVICTION if adds else {}), **(found or {})}}, drop_ins).get("evictionHard")
    if merged is not None and not isinstance(merged, Mapping):
        raise ValueError(f"evictionHard of a drop-in is {merged!r}, which is no map")
    return dict(merged or {})


def in_order(files: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns paths and texts in the order in which a kubelet walks its folder.

    It walks name by name, and enters a subfolder at the place of the subfolder's name.
    """
    return sorted(files, key=lambda file: PurePosixPath(file[0]).parts)


def _threshold(pair: str) -> tuple[str, str]:
    signal, is_pair, value = pair.partition("<")
    if not is_pair:
        raise ValueError(f"--eviction-hard has {pair!r}, which is no SIGNAL<VALUE")
    return signal.strip(), value.strip()


def _merged(below: JSON, above: JSON) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        found = merged.pop(name, None)
        if isinstance(value, Mapping):
            merged[name] = _merged(found if isinstance(found, Mapping) else {}, value)
        elif value is not None:
            merged[name] = value
    return merged


def _of_flags(flags: Mapping[str, str]) -> Iterator[JSON]:
    for flag, (*above, last) in BY_FLAG.items():
        if flag in flags:
            told = flags[flag]
            patch: dict[str, Any] = {last: SWITCHES.get(told.lower(), told)}
            for name in reversed(above):
                patch = {name: patch}
            yield patch
