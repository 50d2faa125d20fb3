"""Names images as container runtimes do."""

from typing import NamedTuple

DEFAULT = "docker.io"
ASKED_AT = {DEFAULT: "registry-1.docker.io"}
"""Maps the names of registries to the hosts that serve them."""


class Reference(NamedTuple):
    """Is the whole name of an image."""

    registry: str
    repository: str
    tag: str
    digest: str

    @classmethod
    def of(cls, image: str) -> "Reference":
        """Returns the whole name of `busybox`: docker.io/library/busybox:latest."""
        rest, _, digest = image.partition("@")
        first, slash, after = rest.partition("/")
        is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
        registry, path = (first, after) if is_host else (DEFAULT, rest)
        registry = DEFAULT if registry == "index.docker.io" else registry
        name, _, tag = path.partition(":")
        repository = f"library/{name}" if registry == DEFAULT and "/" not in name else name
        return cls(registry, repository, tag or ("" if digest else "latest"), digest)

    @property
    def name(self) -> str:
        """Returns the name without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the names under which a runtime lists the image."""
        return (f"{self.name}@{self.digest}",) if self.digest else (f"{self.name}:{self.tag}",)

    @property
    def version(self) -> str:
        """Returns what is asked for; a digest takes precedence over a tag, as in the runtime."""
        return self.digest or self.tag
