"""A kubeconfig: the server, its CA and the user's credentials that its current context names."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import SecretStr

from tasks.core.errors import Refused
from tasks.core.models.base import Model


class Kubeconfig(Model):
    """What of it is used. Credentials by a program (exec) or by a file beside it are not."""

    server: str
    tls_server_name: str = ""
    ca: str
    certificate: str = ""
    key: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")


def parse_kubeconfig(text: str, where: str) -> Kubeconfig:
    """`Refused` names what is missing, never what is there."""
    try:
        config = yaml.safe_load(text)
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"] or {}
        found = Kubeconfig(
            server=str(cluster["server"]).rstrip("/"),
            tls_server_name=str(cluster.get("tls-server-name", "")),
            ca=_decoded(cluster["certificate-authority-data"]),
            certificate=_decoded(user.get("client-certificate-data", "")),
            key=SecretStr(_decoded(user.get("client-key-data", ""))),
            token=SecretStr(str(user.get("token", ""))),
        )
    except (yaml.YAMLError, KeyError, TypeError, StopIteration, AttributeError, ValueError, binascii.Error) as error:
        what = str(error) if isinstance(error, KeyError) else type(error).__name__
        raise Refused(f"{where}: not a complete kubeconfig ({what})", hint=_HINT) from None
    if not (found.certificate and found.key.get_secret_value()) and not found.token.get_secret_value():
        raise Refused(f"{where}: its user has neither a client certificate with key nor a token in it", hint=_HINT)
    if not found.server.startswith("https://"):
        raise Refused(f"{where}: its server is not https://HOST:PORT", hint=_HINT)
    return found


_HINT = (
    "give one with certificate-authority-data, and client-certificate-data with client-key-data or a token, in the file "
    "itself, as `kubeadm kubeconfig user` writes it"
)


def _named(config: Mapping[str, Any], part: str, name: str) -> Mapping[str, Any]:
    return next(one for one in config[part] if one["name"] == name)


def _decoded(data: str) -> str:
    return base64.b64decode(data, validate=True).decode()
