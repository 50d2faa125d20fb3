"""Parses a kubeconfig: the server, its CA and the user's credentials that its current context names."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import SecretStr

from tasks.core.errors import Refused
from tasks.core.models.base import Model


class Kubeconfig(Model):
    """These are the values of a kubeconfig that are used.

    Credentials from a program (exec) or from a separate file are not supported.
    """

    server: str
    tls_server_name: str = ""
    ca: str
    certificate: str = ""
    key: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")


def parse_kubeconfig(text: str, where: str) -> Kubeconfig:
    """Returns the parsed kubeconfig. `Refused` names what is missing or not supported, never a value."""
    try:
        return _read(text)
    except _WrongError as error:
        raise Refused(f"{where}: {error}", hint=_HINT) from None


class _WrongError(Exception):
    """This error is a sentence about the kubeconfig, without any value that may be a secret."""


def _read(text: str) -> Kubeconfig:
    config = _mapping(_loaded(text), "it")
    current = config.get("current-context", "")
    if not isinstance(current, str) or not current:
        raise _WrongError("it has no current-context")
    context = _named(config, "context", current)
    cluster = _named(config, "cluster", context.get("cluster"))
    user = _named(config, "user", context.get("user"))
    for what, part, unsupported in (("cluster", cluster, _NOT_OF_CLUSTERS), ("user", user, _NOT_OF_USERS)):
        if found := next((field for field in unsupported if part.get(field) not in _NOTHING), None):
            raise _WrongError(f"its {what} has {found}: {unsupported[found]}")
    return Kubeconfig(
        server=_server(cluster),
        tls_server_name=_text(cluster, "tls-server-name"),
        ca=_decoded(cluster, "certificate-authority-data", needed=True),
        **_credentials(user),
    )


def _credentials(user: Mapping[str, Any]) -> dict[str, Any]:
    certificate, key = (_decoded(user, field) for field in ("client-certificate-data", "client-key-data"))
    token = _text(user, "token")
    if not (certificate and key) and not token:
        raise _WrongError("its user has neither a client certificate with key nor a token in it")
    return {"certificate": certificate, "key": SecretStr(key), "token": SecretStr(token)}


_HINT = (
    "give one with certificate-authority-data, and client-certificate-data with client-key-data or a token, in the file "
    "itself, as `kubeadm kubeconfig user` writes it"
)

_NOTHING = (None, "", "false", "null")

_IN_A_FILE = "what is in a file beside it is not read"

_NOT_OF_CLUSTERS = {
    "insecure-skip-tls-verify": "a server that is not verified gets no credentials",
    "proxy-url": "no proxy stands between the worker and the API",
    "certificate-authority": _IN_A_FILE,
}
"""Lists what kubectl supports for a cluster and this module does not, with the reason.

If these fields were ignored, the run could reach another API, or somebody else's.
"""

_NOT_OF_USERS = {
    "exec": "no program is run for credentials",
    "auth-provider": "no program is run for credentials",
    "tokenFile": _IN_A_FILE,
    "client-certificate": _IN_A_FILE,
    "client-key": _IN_A_FILE,
    "username": "the API server has no passwords since Kubernetes 1.19",
    "as": "nobody is impersonated",
    "as-uid": "nobody is impersonated",
    "as-groups": "nobody is impersonated",
}


def _loaded(text: str) -> object:
    """Returns the document with every scalar as it is written: a name such as `1e3` or `y` stays that name."""
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts, lists and mappings
    except yaml.YAMLError:
        raise _WrongError("it is no YAML") from None


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError(f"{what} is no mapping of fields")
    return value


def _named(config: Mapping[str, Any], kind: str, name: object) -> Mapping[str, Any]:
    """Returns the entry of that name from `clusters`, `users` or `contexts`."""
    found = config.get(f"{kind}s")
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return _mapping(entry.get(kind), f"its {kind}")
    raise _WrongError(
        f"it has no {kind} of the name that its {'current-context' if kind == 'context' else 'context'} has"
    )


def _text(part: Mapping[str, Any], field: str) -> str:
    value = part.get(field, "")
    if not isinstance(value, str):
        raise _WrongError(f"its {field} is no text")
    return value


def _server(cluster: Mapping[str, Any]) -> str:
    """Returns the server's URL: `https://HOST:PORT`, with an IPv6 address in brackets, and optionally a path."""
    server = _text(cluster, "server").rstrip("/")
    try:
        parts = urlsplit(server)
        is_url = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise _WrongError("its server is not https://HOST:PORT")
    return server


def _decoded(part: Mapping[str, Any], field: str, *, needed: bool = False) -> str:
    """Returns the decoded text of a Base64 field, which may be on one line or on several."""
    try:
        decoded = base64.b64decode("".join(_text(part, field).split()), validate=True).decode()
    except ValueError:
        raise _WrongError(f"its {field} is no base64 of a text") from None
    if needed and not decoded:
        raise _WrongError(f"its {field} is missing")
    return decoded
