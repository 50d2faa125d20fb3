"""Real apt on a machine that is a folder, and archives of small packages over HTTP that may stay silent."""

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.facts.node_folder import NodeFolder
from tests.lab.packages import pack, write_control, write_index

TOOLS = ("apt-get", "apt-ftparchive", "dpkg-deb", "gpg")
KUBEADM = """\
#!/bin/sh
case "$*" in
  version*) echo vVERSION ;;
  *"images list"*) echo registry.example/kube-proxy:vVERSION ;;
esac
"""
KEY = "archive of the test <nobody@example.com>"


def what_is_missing() -> str:
    """Of programs; empty where all are there."""
    return ", ".join(name for name in TOOLS if not shutil.which(name))


class Archive:
    """Folders with packages over HTTP; while it is `silent` it takes requests and answers none, until it is let go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._speaks = threading.Event()
        self._speaks.set()
        self.asked = threading.Event()
        """Somebody was kept waiting."""

    def __enter__(self) -> Self:
        archive = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if not archive._speaks.is_set():
                    archive.asked.set()
                    archive._speaks.wait()
                # Modification times have whole seconds: an archive published twice within one is "not modified".
                del self.headers["If-Modified-Since"]
                super().do_GET()

            def copyfile(self, *files: object) -> None:
                try:
                    super().copyfile(*files)  # type: ignore[arg-type]
                except ConnectionError:
                    """Whoever asked has given up."""

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        handler = partial(Handler, directory=str(self.folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.let_go()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fall_silent(self) -> None:
        """From now on nobody gets an answer."""
        self.asked.clear()
        self._speaks.clear()

    def let_go(self) -> None:
        """Whoever waits gets an answer, and everybody else from now on."""
        self._speaks.set()

    def publish(self, place: str, version: str, *names: str, label: str = "first") -> Path:
        """An archive with these packages in one version; published again, with what is there."""
        folder = self.folder / place
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            tree = folder / f".{name}"
            write_control(_made(tree), name, f"{version}-1.1", f"{name} of the test", "all")
            program = tree / f"usr/bin/{name}"
            program.parent.mkdir(parents=True)
            program.write_text(KUBEADM.replace("VERSION", version))
            program.chmod(0o755)
            pack(tree, folder / f"{name}_{version}-1.1_all.deb")
            shutil.rmtree(tree)
        write_index(folder, Label=label)
        return folder


def sign(folder: Path, home: Path) -> bytes:
    """Signs an archive's Release by a key of the test, and returns the public half as apt's keyrings have it."""
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    if not (home / "pubring.kbx").exists():
        subprocess.run([*gpg, "--quick-generate-key", KEY, "rsa3072", "sign", "never"], check=True, capture_output=True)
    (folder / "InRelease").unlink(missing_ok=True)
    subprocess.run([*gpg, "--clearsign", "--output", folder / "InRelease", folder / "Release"], check=True)
    exported = subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)
    return exported


class AptMachine(NodeFolder):
    """Its own /etc/apt, lists and status of dpkg; apt, dpkg and the shell's tools are the real ones."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file("/var/lib/dpkg/status")
        parts = (f"etc/apt/{name}.d" for name in ("sources.list", "apt.conf", "preferences", "trusted.gpg"))
        for path in (*parts, "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
            (self.root / path).mkdir(parents=True)
        settings = folder / "apt.conf"
        settings.write_text(
            f'Dir "{self.root}/";\nDir::State::Status "{self.root}/var/lib/dpkg/status";\n'
            'APT::Sandbox::User "root";\nAPT::Architecture "amd64";\nAcquire::http::Proxy "DIRECT";\n'
            "#clear DPkg::Post-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n"
        )
        self.variables |= {"PATH": f"{self._bin}:/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": str(settings)}

    def apt_get(self, *words: str) -> subprocess.CompletedProcess[str]:
        """As an operator types it there."""
        return subprocess.run(
            ["apt-get", "-q", *words], env=self.variables, capture_output=True, text=True, check=False
        )

    def asks(self) -> set[tuple[str, str]]:
        """What apt itself makes of the machine's sources: URI, and Packages or Sources."""
        return self._targets()

    def asks_with(self, parts: Path) -> set[tuple[str, str]]:
        """The same of the sources in a folder."""
        return self._targets("-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={parts}")

    def _targets(self, *options: str) -> set[tuple[str, str]]:
        format_ = "$(REPO_URI) $(CREATED_BY)"
        done = self.apt_get(*options, "indextargets", "--no-release-info", "--format", format_)
        assert done.returncode == 0, done.stderr
        found = {(uri, kind) for uri, _, kind in (line.rpartition(" ") for line in done.stdout.splitlines())}
        return {one for one in found if one[1] in {"Packages", "Sources"}}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
