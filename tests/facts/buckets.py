"""As much of an object store as tests without one need."""

from types import SimpleNamespace

from tasks.core.errors import Refused


class Bucket:
    """Keeps objects in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.refuses = ""
        """The key of an object that was removed after it was listed."""

    def key(self, *parts: str) -> str:
        """Of an object."""
        return "/".join(parts)

    def uri(self, key: str) -> str:
        """For people."""
        return f"s3://b/{key}"

    def put(self, key: str, body: bytes, _: str) -> None:
        """An object."""
        self.kept[key] = body

    def get(self, key: str) -> bytes:
        """An object."""
        if key == self.refuses:
            raise Refused("GetObject: 404 NoSuchKey")
        return self.kept[key]

    def objects(self, prefix: str) -> list[SimpleNamespace]:
        """Those below."""
        return [SimpleNamespace(key=key) for key in self.kept if key.startswith(prefix)]
