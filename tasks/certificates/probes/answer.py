"""Turns the output of a node's queries into tables: files, keys, manifests and programs."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote

from tasks.certificates.models.inventory import KubeletSettings, Process
from tasks.certificates.models.places import Places
from tasks.certificates.probes.x509 import sum_of
from tasks.core.models.kubeadm import API_SERVER, ETCD
from tasks.core.models.shape import KeyPair, Pod
from tasks.core.probes.pod_shape import pod_in, program_of
from tasks.core.probes.printed import Printed
from tasks.core.probes.static_pods import doubles_in


@dataclass(frozen=True)
class OnDisk:
    """Describes a file that was found, by the path that a flag or a setting names."""

    path: str
    real: str
    """It is the path after all links are followed."""
    written: datetime
    mode: str
    owner: str
    text: bytes


@dataclass(frozen=True)
class Answer:
    """Holds the answer of one node.

    `now` is the clock of the Prefect worker, for a node that does not report its own time.
    """

    node: str
    told: Printed
    places: Places
    now: datetime

    @cached_property
    def clock(self) -> datetime:
        """Returns the time of the node's clock, or `now` if the node did not report it."""
        return datetime.fromtimestamp(float(self.told.one("now")), UTC) if self.told.one("now") else self.now

    # --- what programs were told

    @cached_property
    def manifests(self) -> list[tuple[str, str, str]]:
        """Returns the name, the location and the text of each static pod's manifest."""
        lines = [line.split(" ") for line in self.told.all("manifest")]
        return [(words[0], words[1], text_of("".join(words[2:]))) for words in lines]

    @property
    def _doubles(self) -> dict[str, str]:
        """Maps each file beside a static pod's manifest that is another manifest of it to the pod."""
        found = doubles_in((told_in(name), text_of(text)) for name, text in self.told.pairs("other"))
        own = {pod for pod, _, _ in self.manifests}
        return {file: pod for file, pod in found.items() if pod in own}

    @cached_property
    def _pods(self) -> dict[str, Pod | None]:
        """Maps each static pod to what its manifest says now, or to None if it could not be parsed.

        A rotation changes manifests, so the shape from the start of the run is not used for them.
        """
        return {pod: _pod_in(text) for pod, _, text in self.manifests}

    @cached_property
    def programs(self) -> dict[str, Pod]:
        """Maps each program to its configuration. etcd may run as a systemd unit."""
        unit = self.told.one("unit")
        units = {ETCD: program_of(text_of(unit).split())} if unit else {}
        return units | {pod: told or Pod() for pod, told in self._pods.items()}

    @cached_property
    def flags(self) -> dict[str, dict[str, str]]:
        """Maps each program to its flags."""
        return {name: program.flags for name, program in self.programs.items()}

    @cached_property
    def kubelet(self) -> KubeletSettings:
        """Returns the certificate settings from the kubelet's configuration."""
        kubelet = self.places.shape.kubelet
        return KubeletSettings(
            asks_for_serving=kubelet.asks_for_serving,
            serving_file=str(kubelet.serving_certificate or ""),
            kubeconfig=str(kubelet.kubeconfig),
            pki=str(kubelet.pki),
        )

    def file_of(self, program: str, flag: str) -> str:
        """Returns the file on the node that a flag names, or an empty string if there is none."""
        return self.programs.get(program, Pod()).file(flag)

    def files_of(self, program: str, flag: str) -> tuple[str, ...]:
        """Returns the files on the node that a flag names. The flag may be given several times."""
        return self.programs.get(program, Pod()).every(flag)

    def kubeconfig_of(self, program: str) -> str:
        """Returns the kubeconfig with which a program connects to the API, or an empty string if there is none.

        The shape of the node also covers a kubeconfig that the program's configuration names.
        """
        known = self.places.shape.pods.get(program, Pod()).kubeconfig
        return str(known or self.file_of(program, "kubeconfig"))

    @property
    def serving_pairs(self) -> tuple[tuple[str, KeyPair], ...]:
        """Lists each program with a certificate and key that it serves for certain names, as files on the node.

        A value that could not be parsed is a problem.
        """
        return tuple((name, pair) for name, program in self.programs.items() for pair in program.serving_pairs)

    @cached_property
    def pki(self) -> PurePosixPath:
        """Returns kubeadm's folder with certificates.

        This is the folder of the client CA that the API server uses, or else the one that the kubelet uses.
        """
        found = self.file_of(API_SERVER, "client-ca-file") or self.places.shape.kubelet.client_ca
        return PurePosixPath(found).parent if found else self.places.folder / "pki"

    def kubeadms(self, file: str) -> str:
        """Returns the path of a kubeadm file that is named relative to `/etc/kubernetes`: `pki/ca.crt`, `admin.conf`."""
        below = PurePosixPath(file)
        found = self.pki / below.relative_to("pki") if below.is_relative_to("pki") else self.places.folder / below
        return str(found)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Lists what was not found, or could not be parsed, in the manifests, the kubelet's configuration and the processes."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        configs = ((name, pod.config_problem) for name, pod in self.places.shape.pods.items())
        yield from (f"{name}: {problem}" for name, problem in configs if problem)
        for pod, why in self.told.pairs("unread_manifest"):
            yield f"the manifest of {pod}: {told_in(why)}"
        for pod, told in self._pods.items():
            if told is None:
                yield f"the manifest of {pod} has no flags that could be parsed"
            else:
                yield from (f"{pod}: {problem}" for problem in told.pair_problems)
        for file, pod in self._doubles.items():
            yield f"its kubelet reads {file} as another manifest of {pod}, whatever the name ends with: move it out of that folder"
        for name, why in self.told.pairs("unseen_process"):
            yield f"whether {name} runs is not known: {told_in(why)}"
        if why := self.places.shape.kubelet.config_problem:
            yield f"the kubelet's configuration: {why}"

    # --- what there is

    @cached_property
    def files(self) -> dict[str, OnDisk]:
        """Returns the files with certificates by path. A file with several paths is listed once, under the first one."""
        return dict(self._once(self.told.all("certificate")))

    @cached_property
    def kubeconfigs(self) -> dict[str, OnDisk]:
        """Returns the kubeconfigs by path, without their secrets."""
        return {one.path: one for one in map(_on_disk, self.told.all("kubeconfig"))}

    @cached_property
    def public_halves(self) -> dict[str, tuple[str, ...]]:
        """Maps each kubeconfig to the public half of each key in it, in their order."""
        return {told_in(path): tuple(halves.split()) for path, halves in self.told.pairs("public_halves")}

    @cached_property
    def unwritable(self) -> dict[str, str]:
        """Maps each kubeconfig to why scripts on the node could not write another certificate into it."""
        return {told_in(path): told_in(why) for path, why in self.told.pairs("unwritable")}

    @cached_property
    def _by_real(self) -> dict[str, str]:
        return {one.real: one.path for one in self.files.values()}

    @cached_property
    def _real(self) -> dict[str, str]:
        return {one.path: one.real for one in map(_on_disk, self.told.all("certificate"))}

    def _once(self, lines: tuple[str, ...]) -> Iterator[tuple[str, OnDisk]]:
        seen: set[str] = set()
        for one in map(_on_disk, lines):
            if one.real not in seen:
                seen.add(one.real)
                yield one.path, one

    def shown(self, path: str) -> str:
        """Returns the path under which a certificate file is listed, whichever of its paths is given.

        It returns the given path if the file is not listed.
        """
        return self._by_real.get(self._real.get(path, path), path)

    @cached_property
    def absent(self) -> dict[str, str]:
        """Maps each path that was not found or not readable to the reason."""
        return {told_in(path): told_in(why) for kind in ("absent", "unread") for path, why in self.told.pairs(kind)}

    @cached_property
    def written(self) -> dict[str, datetime]:
        """Maps each file to the time at which it was written, by the node's clock."""
        lines = (line for kind in ("certificate", "kubeconfig", "written") for line in self.told.all(kind))
        return {one.path: one.written for one in map(_on_disk, lines)}

    @cached_property
    def keys(self) -> dict[str, str]:
        """Maps each file to the sha256 of the public half of its key.

        The value is empty if the key cannot be read. Files whose key is not there are left out.
        """
        return {
            path: sum_of(decoded(text)) if text else "" for path, (kind, text) in self._keys.items() if kind == "key"
        }

    @cached_property
    def keyless(self) -> dict[str, str]:
        """Maps each file to why its key is not there, with the path of the key."""
        told = {path: text.partition(" ") for path, (kind, text) in self._keys.items() if kind == "no_key"}
        return {path: f"its key {told_in(key)}: {told_in(why)}" for path, (key, _, why) in told.items()}

    @cached_property
    def _keys(self) -> dict[str, tuple[str, str]]:
        """Maps each file to the last line about its key.

        Keys that flags name come after keys next to a file, so they take precedence.
        """
        lines = ((kind, rest.partition(" ")) for kind, rest in self.told.lines if kind in {"key", "no_key"})
        return {self.shown(told_in(path)): (kind, text) for kind, (path, _, text) in lines}

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        """Lists the programs of the cluster that run on the node. Their start times are in whole seconds."""
        lines = [line.split(" ") for line in self.told.all("process")]
        return tuple(
            Process(
                name=words[0],
                started_at=datetime.fromtimestamp(float(words[1]), UTC).replace(microsecond=0),
                container=words[2] if len(words) > 2 else "",  # noqa: PLR2004 - three words
            )
            for words in lines
            if len(words) > 1 and words[1]
        )


def _pod_in(manifest: str) -> Pod | None:
    try:
        return pod_in(manifest, parked=False)
    except ValueError:
        return None


def _on_disk(line: str) -> OnDisk:
    path, real, written, mode, owner, *rest = line.split(" ")
    return OnDisk(
        path=told_in(path),
        real=told_in(real),
        written=datetime.fromtimestamp(int(written), UTC),
        mode=mode,
        owner=owner,
        text=decoded("".join(rest)),
    )


def text_of(encoded: str) -> str:
    """Decodes base64 to text."""
    return decoded(encoded).decode(errors="replace")


def told_in(word: str) -> str:
    """Returns a path or a reason from one word of an answer, where `%20` stands for a space."""
    return unquote(word)


def decoded(text: str) -> bytes:
    """Decodes base64. It returns empty bytes if the text is invalid."""
    try:
        return base64.b64decode(text)
    except (ValueError, binascii.Error):
        return b""
