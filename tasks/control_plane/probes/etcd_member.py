"""Reads a member of etcd as its static pod or unit configures it: by flags, variables, or a file.

One reader covers all of them. It raises a `ValueError` with the reason if it cannot parse the configuration.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from tasks.core.errors import NotYet
from tasks.core.models.base import Model
from tasks.core.models.outside import from_yaml
from tasks.core.models.shape import Address
from tasks.core.probes.addresses import address_of_url, nearest
from tasks.core.probes.static_pods import environment_of, flags_of, host_path_of, image_of, parse_flags, place_on_host

NEEDED = (
    "name",
    "data-dir",
    "advertise-client-urls",
    "initial-advertise-peer-urls",
    "trusted-ca-file",
    "cert-file",
    "key-file",
)
"""Lists the flags that must be set.

They tell which member it is, where its data is, and how to query it.
"""

_ARGUMENTS = re.compile(r"argv\[\]=(.*?) ; ignore_errors=")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class Pair(Model):
    """Names a certificate and its key on the node."""

    certificate: PurePosixPath
    key: PurePosixPath


class Source(Model):
    """Describes how a node's member runs: by the manifest of its static pod, or by its unit as systemd reports it."""

    manifest: str = ""
    command: tuple[str, ...] = ()
    environment: str = ""
    environment_files: tuple[str, ...] = ()
    owner: str = ""

    @property
    def what(self) -> str:
        """Names the source in messages for people."""
        return "its etcd manifest" if self.manifest else "its etcd.service"

    @property
    def program(self) -> str:
        """Returns the etcd program in the command of a unit, even if a shell comes before it."""
        return next((word for word in self.command if PurePosixPath(word).name == "etcd"), "etcd")

    def on_host(self, path: str) -> str:
        """Converts a path from the configuration to the path on the node."""
        return place_on_host(self.manifest, path) if self.manifest else path


class MemberConfigured(Model):
    """Describes the member as it is configured."""

    name: str
    data_dir: PurePosixPath
    client: Address
    advertised: Address
    client_url: str
    peer_url: str
    peers: tuple[str, ...]
    """It names the members that existed when this member joined, including itself."""
    ca: PurePosixPath
    own: Pair
    image: str
    version: str
    """It holds the version from the image's tag; empty if the tag has none."""
    obstacles: tuple[str, ...]
    """It lists the reasons why a restore of this project cannot replace the member's data."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Lists the client certificates that the node may have for the member, the best first.

        kubeadm's own, beside the CA, comes before the member's own. An etcd that verifies its clients is also a client,
        of its own gateway.
        """
        folder = self.ca.parent
        return (Pair(certificate=folder / "healthcheck-client.crt", key=folder / "healthcheck-client.key"), self.own)


def of_unit(shown: str) -> Source | None:
    """Parses the output of `systemctl show`; None if there is no such unit."""
    lines = [line.partition("=")[::2] for line in shown.splitlines()]
    values = dict(lines)
    if "LoadState" not in values:
        message = "systemctl does not say whether there is an etcd.service"
        raise ValueError(message)
    if values["LoadState"] != "loaded":
        return None
    found = _ARGUMENTS.search(values.get("ExecStart", ""))
    files = (value.rpartition(" (")[0] or value for name, value in lines if name == "EnvironmentFiles")
    return Source(
        command=tuple(found[1].split()) if found else (),
        environment="\n".join(_words(values.get("Environment", ""))),
        environment_files=tuple(file for file in files if file),
        owner=f"{values['User']}:{values.get('Group', '')}" if values.get("User") else "",
    )


def files_to_read(source: Source, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Lists the paths on the node that must be read before the settings are known.

    The caller calls it again with the contents of these files.
    """
    wanted = [file for file in source.environment_files if file not in texts]
    if not wanted and (file := _given(source, texts).get("config-file")):
        wanted = [path for path in [source.on_host(file)] if path not in texts]
    return tuple(wanted)


def settings_of(source: Source, texts: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings by the names of etcd's flags.

    A flag takes precedence over a variable. If there is a configuration file, only the file counts, as in etcd itself.
    """
    given = _given(source, texts)
    if "config-file" not in given:
        return given
    path = source.on_host(given["config-file"])
    return _of_file(texts.get(path, ""), path)


def read_member(source: Source, texts: Mapping[str, str]) -> MemberConfigured:
    """Returns the configured member; a `ValueError` gives the reason why it could not be parsed."""
    flags = settings_of(source, texts)
    if missing := [f"--{name}" for name in NEEDED if not flags.get(name)]:
        message = f"{source.what} has no {', '.join(missing)}"
        raise ValueError(message)
    if unread := [name for name in NEEDED if "$" in flags[name]]:
        message = f"{source.what}: --{unread[0]} is {flags[unread[0]]}, and nothing says what that stands for"
        raise ValueError(message)
    image = image_of(source.manifest) if source.manifest else ""
    version = re.search(r":v?(\d+\.\d+\.\d+)", image)
    urls = _urls(flags["advertise-client-urls"])
    try:
        advertised = address_of_url(urls[0])
        client = nearest(_secured(flags.get("listen-client-urls") or flags["advertise-client-urls"]))
    except ValueError as error:
        message = f"{source.what}: {error}"
        raise ValueError(message) from None
    return MemberConfigured(
        name=flags["name"],
        data_dir=_data_on_host(source, flags["data-dir"]),
        client=client,
        advertised=advertised,
        client_url=urls[0].rstrip("/"),
        peer_url=_urls(flags["initial-advertise-peer-urls"])[0],
        peers=tuple(peer.partition("=")[0] for peer in _urls(flags.get("initial-cluster", ""))),
        ca=PurePosixPath(source.on_host(flags["trusted-ca-file"])),
        own=Pair(
            certificate=PurePosixPath(source.on_host(flags["cert-file"])),
            key=PurePosixPath(source.on_host(flags["key-file"])),
        ),
        image=image,
        version=version[1] if version else "",
        obstacles=tuple(_obstacles(source, flags)),
    )


def _given(source: Source, texts: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings from flags and variables, without the configuration file."""
    if source.manifest:
        return _of_variables(environment_of(source.manifest)) | flags_of(source.manifest)
    variables = dict(_variables(source.environment))
    for file in source.environment_files:
        variables |= dict(_variables(texts.get(file, "")))
    return _of_variables(variables) | parse_flags([*_expanded(source.command, variables)])


def _of_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Converts variables to settings: `ETCD_DATA_DIR` becomes `data-dir`."""
    return {
        name.removeprefix("ETCD_").lower().replace("_", "-"): value
        for name, value in variables.items()
        if name.startswith("ETCD_") and value
    }


def _variables(text: str) -> Iterator[tuple[str, str]]:
    """Parses variables as systemd does, with comments, quotes, and continued lines."""
    for line in text.replace("\\\n", "").splitlines():
        name, given, value = line.strip().partition("=")
        if given and not name.startswith(("#", ";")):
            yield name.strip(), " ".join(_words(value))


def _words(text: str) -> list[str]:
    """Splits the text as a shell does, or keeps it whole if its quotes do not match."""
    try:
        return shlex.split(text)
    except ValueError:
        return [text.strip()]


def _expanded(words: Sequence[str], variables: Mapping[str, str]) -> Iterator[str]:
    """Expands variables as systemd does: `$NAME` as a word of its own becomes several words."""
    for word in words:
        if (alone := _VARIABLE.fullmatch(word)) and alone[2]:
            yield from variables.get(alone[2], "").split()
        else:
            yield _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], found[0]), word).replace('"', "")


def _of_file(text: str, path: str) -> dict[str, str]:
    """Parses etcd's own configuration file, which has flags by their names and the TLS flags in sections."""
    try:
        found = from_yaml(text, path)
    except NotYet as error:
        raise ValueError(error.problem) from None
    if not isinstance(found, Mapping):
        message = f"{path}, its etcd's --config-file, is not there or is no configuration of etcd"
        raise ValueError(message)  # noqa: TRY004 - of a text, not of a type of ours
    tls = found.get("client-transport-security")
    every = {**found, **(tls if isinstance(tls, Mapping) else {})}
    return {str(name): str(value) for name, value in every.items() if isinstance(value, str | int) and value != ""}


def _urls(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _secured(text: str) -> tuple[str, ...]:
    """Returns the URLs with TLS.

    A plain URL lets anybody in and asks for no certificate. It raises `ValueError` if no URL has TLS.
    """
    found = tuple(url for url in _urls(text) if urlsplit(url).scheme == "https")
    if not found:
        message = f"it listens for clients at {text}, and at no https URL"
        raise ValueError(message)
    return found


def _data_on_host(source: Source, path: str) -> PurePosixPath:
    if not path.startswith("/"):
        message = f"{source.what}: --data-dir={path} is relative, so its place is not known"
        raise ValueError(message)
    if not source.manifest:
        return PurePosixPath(path)
    found = host_path_of(source.manifest, PurePosixPath(path))
    if found is None:
        message = f"{source.what} has its data in {path}, which is no hostPath: it is gone with the container"
        raise ValueError(message)
    return found


def _obstacles(source: Source, flags: Mapping[str, str]) -> Iterator[str]:
    if (wal := flags.get("wal-dir")) and PurePosixPath(wal) != PurePosixPath(flags["data-dir"], "member/wal"):
        yield f"{source.what} has its log outside of its data directory: --wal-dir={wal}"
    if flags.get("force-new-cluster", "false") != "false":
        yield f"{source.what} has --force-new-cluster: it would drop the other members at each start"
