"""A real registry with passwords, on loopback, and the images that a test gives it."""

import shutil
import subprocess
from pathlib import Path
from typing import Self

import bcrypt

from tests.lab.images import Image
from tests.servers.processes import Process, free_port, wait_until

PROGRAMS = ("docker-registry", "skopeo", "curl")
MISSING = [name for name in PROGRAMS if not shutil.which(name)]
REASON = f"not here: {', '.join(MISSING)}; on Debian: apt-get install"

LIMIT = 150.0
"""Seconds until it has an image; one is usual."""

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""
AUTH = "auth: {{htpasswd: {{realm: shop, path: {folder}/htpasswd}}}}"


class Registry:
    """A context manager: it has shop/web:2, for these users alone; without users it gives everything to everybody."""

    def __init__(self, folder: Path, users: dict[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self.address = f"localhost:{self.port}"
        self.image = f"{self.address}/shop/web:2"
        auth = AUTH.format(folder=folder) if users else ""
        (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=self.port, auth=auth))
        self._process: Process | None = None
        self.let_in(users)

    def let_in(self, users: dict[str, str]) -> None:
        """Nobody else from the next start on."""
        lines = [f"{name}:{bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()}\n" for name, word in users.items()]
        (self.folder / "htpasswd").write_text("".join(lines))
        self._users = users

    def restart(self) -> None:
        """With the users of now."""
        self.stop()
        self.start()

    def start(self) -> None:
        """Until it has the image."""
        self._process = Process(["docker-registry", "serve", self.folder / "config.yml"], folder=self.folder)
        self._process.start()
        image = Image(("web:2",), {"hello": b"hello"})
        archive = self.folder / "web.tar"
        if not archive.exists():
            image.write(archive)
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
        who = [f"--dest-creds={name}:{word}" for name, word in self._users.items()][:1]
        words = [*copy, *who, f"docker-archive:{archive}", f"docker://{self.image}"]

        def is_pushed() -> bool:
            return subprocess.run(words, check=False, capture_output=True).returncode == 0

        wait_until(is_pushed, LIMIT, "the registry has the image")

    def stop(self) -> None:
        """It no longer answers."""
        if self._process:
            self._process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
