"""What `look.sh` has printed, as tables: files, keys, manifests and programs of one node."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath

from tasks.certificates.models.inventory import KubeletSettings, Process
from tasks.certificates.probes.x509 import sum_of
from tasks.control_plane.probes.manifests import flags_of, parse_flags
from tasks.core.models.kubeadm import ETCD
from tasks.core.probes.printed import Printed


@dataclass(frozen=True)
class Answer:
    """Of one node; `now` is the worker's clock, for a node that does not tell its own."""

    node: str
    told: Printed
    folder: PurePosixPath
    now: datetime

    @cached_property
    def clock(self) -> datetime:
        """Of the node."""
        return datetime.fromtimestamp(float(self.told.one("now")), UTC) if self.told.one("now") else self.now

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Files with certificates, what is in them."""
        lines = [line.split(" ") for line in self.told.all("certificate")]
        return {words[0]: decoded(words[4] if len(words) > 4 else "") for words in lines}  # noqa: PLR2004 - five words

    @cached_property
    def written(self) -> dict[str, datetime]:
        """File to when it was written, by the node's clock."""
        lines = [line.split(" ") for kind in ("certificate", "kubeconfig", "written") for line in self.told.all(kind)]
        return {words[0]: datetime.fromtimestamp(int(words[1]), UTC) for words in lines}

    @cached_property
    def keys(self) -> dict[str, str]:
        """File to the sum of the public half of its key; empty where that cannot be read."""
        return {path: sum_of(decoded(text)) if text else "" for path, text in self.told.pairs("key")}

    @cached_property
    def manifests(self) -> list[tuple[str, str, str]]:
        """Static pod, where its manifest is, and its text."""
        lines = [line.split(" ") for line in self.told.all("manifest")]
        return [(words[0], words[1], decoded(words[2]).decode(errors="replace")) for words in lines]

    @cached_property
    def flags(self) -> dict[str, dict[str, str]]:
        """Program to its flags."""
        unit = {ETCD: parse_flags(decoded(self.told.one("unit")).decode(errors="replace").split())}
        return (unit if self.told.one("unit") else {}) | {pod: flags_of(text) for pod, _, text in self.manifests}

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        """Programs of the cluster that run there; when they were started in whole seconds."""
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

    @cached_property
    def kubelet(self) -> KubeletSettings:
        """What its configuration says."""
        told = dict(self.told.pairs("setting"))
        return KubeletSettings(
            rotates=told.get("rotateCertificates", "true") == "true",
            asks_for_serving=told.get("serverTLSBootstrap") == "true",
            serving_file=told.get("tlsCertFile", "").strip("\"'"),
        )


def decoded(text: str) -> bytes:
    """Of base64; nothing where it cannot be read."""
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
