"""Decides how much of a node's own file systems stays free: as its kubelet is set, by the signals nodefs and imagefs of evictionHard."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import ceil
from typing import Any

from tasks.core.models.findings import Problem
from tasks.core.models.shape import KubeletShape
from tasks.core.probes.kubelet_config import EVICTION
from tasks.volumes.models import places
from tasks.volumes.models.places import Threshold, Watch, Watched

LARGEST = 2**62
"""This is more than a file system has, and small enough for a shell."""

NONE = ("0%", "100%")
"""With these values a kubelet has no threshold."""

_NUMBER = r"\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_EXPONENT = "[eE][+-]?[0-9]{1,2}"
_PERCENT = re.compile(rf"({_NUMBER}(?:{_EXPONENT})?)%+")
_QUANTITY = re.compile(rf"({_NUMBER}(?:{_EXPONENT})?)|({_NUMBER})([KMGTPE]i|[numkMGTPE])")
_UNITS = (
    {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}
    | {unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)}
    | {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)}
)
"""Lists the units of quantities. The API client's parser is not used: policy asks no client."""


def watch_of(node: str, kubelet: KubeletShape | Problem, images: Sequence[str] | Problem) -> Watch:
    """Returns what a node keeps free, and what is not certain about it. What is not known is a default of kubelet.

    Args:
        node: its name
        kubelet: as it is set, or why that is not known
        images: folders of the container runtime, or why they are not known: images may be where the kubelet has its data then
    """
    show = f"`kubectl get --raw /api/v1/nodes/{node}/proxy/configz` and `systemctl status kubelet` on {node} show it"
    values, about_values = _values(kubelet)
    root, about_root = _root(kubelet)
    own = [*places.OF_KUBELET, *root]
    about_folders = [Problem(text=one, next_step=show) for one in about_root]
    if isinstance(images, Problem):
        text = f"where the container runtime keeps images is not known ({images}): its default folders are assumed"
        about_folders.append(Problem(text=text, next_step=f"`crictl imagefsinfo` on {node} shows it"))
    of_images = [*places.OF_IMAGES, *(own if isinstance(images, Problem) else images)]
    wanted = [*((folder, "nodefs") for folder in own), *((folder, "imagefs") for folder in of_images)]
    return Watch(
        folders=tuple(
            Watched(folder=folder, size=values[f"{kind}.available"], entries=values[f"{kind}.inodesFree"])
            for folder, kind in wanted
        ),
        about_folders=tuple(about_folders),
        about_values=tuple(Problem(text=one, next_step=show) for one in about_values),
    )


def _root(kubelet: KubeletShape | Problem) -> tuple[list[str], list[str]]:
    """Returns the folder in which the kubelet has its data, and what is not certain about it."""
    if isinstance(kubelet, Problem):
        return [], [f"how the kubelet is set is not known ({kubelet}): its defaults are assumed"]
    if kubelet.root is None:
        return [], ["--root-dir of the kubelet is not known, because its flags are not: its default is assumed"]
    path = str(kubelet.root)
    if not path.startswith("/") or not path.isprintable():
        return [], [f"--root-dir of the kubelet is {path!r}, which is no absolute path: its default is assumed"]
    return [path], []


def _values(kubelet: KubeletShape | Problem) -> tuple[dict[str, Threshold], list[str]]:
    """Returns the threshold of each signal, and which are defaults, with the reason."""
    defaults = {signal: _read(value) for signal, value in EVICTION.items()}
    if isinstance(kubelet, Problem):
        return defaults, []
    if kubelet.eviction_problem:
        text = f"evictionHard of the kubelet is not known ({kubelet.eviction_problem}): its defaults stay free"
        return defaults, [text]
    given = {signal: value for signal, value in kubelet.eviction_hard.items() if _is_set(value)}
    known = {signal: _read(given[signal]) for signal in EVICTION if _is_taken(given.get(signal))}
    return defaults | known, list(_doubts(given))


def _doubts(given: Mapping[str, Any]) -> Iterator[str]:
    if unset := [signal for signal in EVICTION if signal not in given]:
        values = ", ".join(f"{EVICTION[signal]} for {signal}" for signal in unset)
        yield f"evictionHard of the kubelet has no threshold for {', '.join(unset)}: its defaults stay free ({values})"
    for signal, default in EVICTION.items():
        if signal in given and not _is_taken(given[signal]):
            yield f"{signal} of evictionHard is {given[signal]!r}, which no kubelet takes: its default of {default} stays free"


def _is_set(value: object) -> bool:
    return value is not None and value not in NONE


def _is_taken(value: object) -> bool:
    """Checks whether a kubelet takes a value: a text with a part of at most 100 %, or with a quantity above 0."""
    if not isinstance(value, str):
        return False
    if percent := _PERCENT.fullmatch(value):
        return float(percent[1]) <= 100  # noqa: PLR2004 - a whole
    return (_amount(value) or 0) > 0


def _read(value: str) -> Threshold:
    """Returns what a value means that a kubelet takes. A part of a percent counts as a whole one."""
    if percent := _PERCENT.fullmatch(value):
        return Threshold(percent=ceil(float(percent[1])))
    return Threshold(amount=min(ceil(_amount(value) or 0), LARGEST))


def _amount(value: str) -> Decimal | None:
    """Returns the number of a quantity such as `1Gi` or `1e3`; None if it is none."""
    found = _QUANTITY.fullmatch(value)
    if found is None:
        return None
    plain, number, unit = found.groups()
    return Decimal(plain) if plain else Decimal(number) * _UNITS[unit]
