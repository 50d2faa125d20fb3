"""Reads which API server a kubelet uses from its kubeconfig, and writes the same kubeconfig with another one."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from tasks.core.kubeadm_yaml import dump_all
from tasks.core.models.base import Model
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.upgrade.models.folders import KEPT_IN


class KubeletServer(Model):
    """This is the API server that a kubelet uses now.

    It also holds what an upgrade has kept, if that was not removed at its end.
    """

    text: str
    server: str
    ca: str = ""
    ca_file: str = ""
    before: str = ""
    meanwhile: str = ""
    kept: bool = False

    @property
    def is_ours(self) -> bool:
        """Returns True if the kubelet uses what an upgrade set.

        A kept entry from another time no longer counts, because someone has changed the server since.
        """
        return bool(self.before) and self.meanwhile == self.server


def look(kubeconfig: PurePosixPath) -> str:
    """Returns the script whose output is for `parse`."""
    return script(__file__, "look_at_kubelet_server", kubelet_conf=kubeconfig, kubelet_server=KEPT_IN)


def parse(stdout: bytes, kubeconfig: PurePosixPath) -> KubeletServer:
    """Parses the kubelet's kubeconfig.

    It raises `ValueError` if the file is no kubeconfig. The error quotes nothing of its content.
    """
    told = Printed.of(stdout)
    text = base64.b64decode(told.one("conf")).decode(errors="replace")
    kept = base64.b64decode(told.one("kept")).decode(errors="replace").split()
    try:
        cluster = _cluster(yaml.safe_load(text))
        ca = base64.b64decode(cluster.get("certificate-authority-data") or "").decode()
        server = str(cluster["server"])
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, AttributeError, binascii.Error, ValueError) as error:
        message = f"{kubeconfig} is not understood ({type(error).__name__})"
        raise ValueError(message) from None
    file = str(cluster.get("certificate-authority") or "")
    before, meanwhile = kept if len(kept) == 2 else ("", "")  # noqa: PLR2004 - two words, or it is no word of ours
    return KubeletServer(
        text=text,
        server=server,
        ca=ca,
        ca_file=str(kubeconfig.parent / file) if file and not ca else "",
        before=before,
        meanwhile=meanwhile,
        kept=bool(told.all("kept")),
    )


def with_server(text: str, old: str, new: str) -> str:
    """Returns the kubeconfig with another server, with its text unchanged otherwise.

    If its text does not contain the old server, the result is JSON, which is also YAML.
    """
    wanted = yaml.safe_load(text)
    _cluster(wanted)["server"] = new
    replaced = text.replace(f"server: {old}\n", f"server: {new}\n")
    return replaced if yaml.safe_load(replaced) == wanted else dump_all([wanted])


def _cluster(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the cluster of the current context."""
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster: dict[str, Any] = _named(config["clusters"], context["cluster"])["cluster"]
    return cluster


def _named(parts: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in parts if one["name"] == name)
