"""Builds a suite from its modules, as `go install` would if they had no replace directives but those of forks."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from tests.servers.processes import Process
from tests.servers.suites import NotHereError, Suite

LIMIT = 3600.0
"""Seconds for one command of Go: Kubernetes takes 12 minutes on two cores, and the machine may have other work."""

MULTICALL = Path(__file__).parent / "multicall" / "main.go"


def build(suite: Suite, version: str, into: Path) -> None:
    """Puts the programs into a folder; NotHereError with the words of Go when it fails."""
    if not shutil.which("go"):
        raise NotHereError("no Go compiler on PATH")
    with tempfile.TemporaryDirectory(prefix="kube-runbooks-go-") as temporary:
        work = Path(temporary)
        _go(work, "mod", "init", "kube-runbooks.local/build")
        if suite.multicall:
            _use_staging(work, suite.modules[0], version)
            (work / "multicall").mkdir()
            shutil.copy(MULTICALL, work / "multicall")
        else:
            imports = "".join(f'import _ "{package}"\n' for package in suite.packages.values())
            (work / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\n{imports}")
            _use_forks(work, suite.modules[0], version)
        wanted = (*(f"{module}@v{version}" for module in suite.modules), *suite.pins)
        _go(work, "mod", "edit", *(f"-require={one}" for one in wanted))
        _go(work, "mod", "tidy")
        flags = _stamp(version) if suite.multicall else [f"-X {suite.stamp}=v{version}"] if suite.stamp else []
        for file, package in suite.packages.items():
            _go(work, "build", "-ldflags", " ".join(["-s", "-w", *flags]), "-o", file, package)
            shutil.move(work / file, into / file)
        for module, path in suite.data:
            folder = _go(work, "list", "-m", "-mod=mod", "-f", "{{.Dir}}", module).splitlines()[-1]
            (into / Path(path).name).write_bytes((Path(folder) / path).read_bytes())


def _use_staging(work: Path, module: str, version: str) -> None:
    """Kubernetes replaces its own libraries by folders of its repository; their modules are numbered v0 instead of v1."""
    staged = re.findall(r"^\s*(?:replace )?(\S+) => \./staging/", _go_mod(work, module, version), re.MULTILINE)
    library_version = f"v0.{version.partition('.')[2]}"
    _go(work, "mod", "edit", *(f"-replace={library}={library}@{library_version}" for library in staged))


def _use_forks(work: Path, module: str, version: str) -> None:
    """Takes the replacements of a module by modules of another name; Velero has a fork of kopia."""
    replaced = re.findall(
        r"^\s*(?:replace )?(\S+)(?: v\S+)? => ([^./\s]\S+) (v\S+)$", _go_mod(work, module, version), re.MULTILINE
    )
    if forks := [f"-replace={old}={new}@{at}" for old, new, at in replaced if new != old]:
        _go(work, "mod", "edit", *forks)


def _go_mod(work: Path, module: str, version: str) -> str:
    place = _go(work, "list", "-m", "-mod=mod", "-f", "{{.GoMod}}", f"{module}@v{version}").splitlines()[-1]
    return Path(place).read_text()


def _stamp(version: str) -> list[str]:
    """Flags of the linker; without them Kubernetes takes itself for v0.0.0, and kubeadm refuses to work."""
    major, minor, _ = version.split(".", 2)
    facts = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return [f"-X {package}.{name}={value}" for package in packages for name, value in facts.items()]


def _go(work: Path, *arguments: str) -> str:
    """What it prints. As a child that ends with this process: an orphan would go on for minutes."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath -buildvcs=false"}
    log = f"go-{len(list(work.glob('go-*.log')))}"
    with Process(["go", *arguments], folder=work, name=log, env=environment, cwd=work) as process:
        code = process.wait(LIMIT)
    if code:
        raise NotHereError(f"go {' '.join(arguments[:2])}: {process.output.strip()[-500:]}")
    return process.output
