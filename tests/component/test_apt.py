"""Package sources of a node as apt itself reads them, and archives as they are: renamed, slow, signed by a key of old, two to a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.nodes.models.nodes import PackageManager, Packages
from tasks.nodes.probes.repositories import MINOR, copies_for, minors_of, rewritten_for
from tasks.nodes.probes.sources import (
    Sources,
    ask_repositories,
    ask_sources,
    in_lines,
    rewritten_in_lines,
    sources_in,
    with_answer,
)
from tasks.os_patch.models.packages import Scope
from tasks.os_patch.probes import facts
from tasks.upgrade import scripts
from tests.servers.apt import AptMachine, Archive, sign, what_is_missing

pytestmark = pytest.mark.skipif(bool(what_is_missing()), reason=f"not here: {what_is_missing()}")

PROGRAMS = ("kubeadm", "kubelet", "kubectl")
OLD, NEW = "1.36.3", "1.37.2"
TARGET = "1.37"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """With the packages of two minors of Kubernetes, and one of somebody else's."""
    with Archive(tmp_path / "archive") as served:
        served.publish("core:/stable:/v1.36/deb", OLD, *PROGRAMS)
        served.publish("core:/stable:/v1.37/deb", NEW, *PROGRAMS)
        served.publish("other", "1", "other")
        yield served


@pytest.fixture
def machine(tmp_path: Path) -> AptMachine:
    """Without any source."""
    return AptMachine(tmp_path / "machine")


def sources_of(machine: AptMachine) -> Sources:
    """As it prints them."""
    done = machine.run(ask_sources())
    assert (done.returncode, done.stderr) == (0, "")
    return sources_in(done.stdout.encode())


def ask(machine: AptMachine, *, apt_seconds: int = 10, our_seconds: int = 20) -> Packages:
    """What its repositories of the target have."""
    question = ask_repositories(PackageManager.APT, PROGRAMS)
    for old, new in (("Timeout=10", f"Timeout={apt_seconds}"), ("ASK_SECONDS=20", f"ASK_SECONDS={our_seconds}")):
        assert old in question
        question = question.replace(old, new)
    done = machine.run(question, stdin=in_lines(copies_for(sources_of(machine).files, TARGET)))
    assert (done.returncode, done.stderr) == (0, "")
    return with_answer(Packages(), done.stdout.encode())


def stage(machine: AptMachine) -> tuple[int, str]:
    """Status and output of what downloads the target."""
    copies = copies_for(sources_of(machine).files, TARGET)
    assert machine.run(scripts.place_sources(NEW), stdin=in_lines(copies)).returncode == 0
    done = machine.run(scripts.stage(PackageManager.APT, NEW, "kind: ClusterConfiguration"))
    return done.returncode, done.stdout


def switch(machine: AptMachine) -> None:
    """Has its own files name the target."""
    files = rewritten_for(sources_of(machine).files, TARGET)
    done = machine.run(scripts.rewrite_sources(), stdin=rewritten_in_lines(files))
    assert (done.returncode, done.stderr) == (0, "")


# --- the files, against what apt makes of them

FORMS = {
    "a line": ("k.list", "deb [trusted=yes] http://h/core:/stable:/v1.36/deb/ /\n"),
    "options, a # in one, and a comment behind": (
        "k.list",
        "# deb http://h/core:/stable:/v1.36/deb/ /\n"
        " deb [ signed-by=/k#1 arch=amd64 ] http://h/core:/stable:/v1.36/deb/ / # was core:/stable:/v1.30\n",
    ),
    "quoted, escaped, without colons, of an own domain": (
        "k.list",
        'deb "http://a/core:/stable:/v1.36/deb/" /\ndeb http://b/core%3A/stable%3A/v1.36/deb ./\n'
        "deb http://mirror.corp.example/kubernetes-new/core/stable/v1.36/deb/ /\n",
    ),
    "sources beside packages, and an old minor": (
        "k.list",
        "deb http://h/core:/stable:/v1.9/deb/ /\ndeb http://h/core:/stable:/v1.36/deb/ /\ndeb-src http://h/core:/stable:/v1.36/deb/ /\n",
    ),
    "a stanza": ("k.sources", "Types: deb\nURIs: http://h/core:/stable:/v1.36/deb/\nSuites: /\nTrusted: yes\n"),
    "a stanza beside Debian's, one that is off, and one of addons": (
        "k.sources",
        "# all that we have\nTypes: deb\nURIs: http://d/debian\nSuites: bookworm\nComponents: main\n\n"
        "types: deb deb-src\n# http://h/core:/stable:/v1.30/deb/\nURIS: http://h/core:/stable:/v1.36/deb/\n"
        " http://i/core:/stable:/v1.36/deb/\n# between\n\thttp://j/other/\nsuites: /\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n core:/stable:/v1.36\n -----END PGP PUBLIC KEY BLOCK-----\n\n"
        "Types: deb\nURIs: http://off/core:/stable:/v1.36/deb/\nSuites: /\nEnabled: No\n\n"
        "Types: deb\nURIs: http://h/addons:/cri-o:/stable:/v1.36/deb/\nSuites: /\nEnabled: yes\n",
    ),
    "a field twice, lines of spaces, and no end of line": (
        "k.sources",
        "Types: deb\nURIs: http://first/core:/stable:/v1.35/deb/\nURIs: http://last/core:/stable:/v1.36/deb/\n \nSuites: /\nEnabled: 1",
    ),
    "the lines of another system": (
        "k.sources",
        "Types: deb\r\nURIs: http://h/core:/stable:/v1.36/deb/\r\nSuites: /\r\n",
    ),
    "a name that apt does not read": ("my list.list", "deb http://h/core:/stable:/v1.36/deb/ /\n"),
    "bytes that are no text": ("k.list", "# \udcff\ndeb http://h/core:/stable:/v1.36/deb/ /\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_sources_are_read_as_apt_reads_them(machine: AptMachine, tmp_path: Path, form: str) -> None:
    """A copy asks for the same repositories of another minor, and nothing else; so does the file once it is rewritten, beside all of its own."""
    name, text = FORMS[form]
    file = machine.file(f"/etc/apt/sources.list.d/{name}")
    file.write_bytes(text.encode(errors="surrogateescape"))
    before, sources = machine.asks(), sources_of(machine)
    ours = {(uri, kind) for uri, kind in before if (found := MINOR.search(uri)) and found[1] == "1.36"}
    assert minors_of(sources.files) == ({str(file): "1.36"} if ours else {})
    copies = copies_for(sources.files, TARGET)
    (parts := tmp_path / "parts").mkdir()
    for copy, content in copies.items():
        (parts / copy).write_bytes(content)
    assert machine.asks_with(parts) == {
        (uri.replace("v1.36", "v1.37"), kind) for uri, kind in ours if kind == "Packages"
    }
    file.chmod(0o640)
    switch(machine)
    assert machine.asks() == before - ours | {(uri.replace("v1.36", "v1.37"), kind) for uri, kind in ours}
    assert file.stat().st_mode & 0o777 == 0o640
    changed = [
        (old, new)
        for old, new in zip(
            text.split("\n"), file.read_bytes().decode(errors="surrogateescape").split("\n"), strict=True
        )
        if old != new
    ]
    assert all(old.replace("v1.36", "v1.37", 1) == new for old, new in changed)
    assert bool(changed) is bool(ours)
    assert list(file.parent.iterdir()) == [file]
    assert rewritten_for(sources_of(machine).files, TARGET) == ()


def test_a_file_that_somebody_else_changes_meanwhile_stays_theirs(machine: AptMachine) -> None:
    """And one that is a link stays one."""
    real = machine.file("/etc/shared/k.list", "deb http://h/core:/stable:/v1.36/deb/ /\n")
    link = machine.root / "etc/apt/sources.list.d/k.list"
    link.symlink_to(real)
    files = rewritten_for(sources_of(machine).files, TARGET)
    real.write_text("deb http://h/core:/stable:/v1.35/deb/ /\n")
    done = machine.run(scripts.rewrite_sources(), stdin=rewritten_in_lines(files))
    assert (done.returncode, done.stderr) == (1, f"{link} was changed by somebody else meanwhile\n")
    assert "v1.35" in real.read_text()
    switch(machine)
    assert link.is_symlink()
    assert "v1.37" in real.read_text()


# --- the archives


def stanza(url: str) -> str:
    """A repository of Kubernetes as deb822 has it."""
    return f"Types: deb\nURIs: {url}/core:/stable:/v1.36/deb/\nSuites: /\nTrusted: yes\n"


@pytest.mark.parametrize("form", ["a line", "two stanzas", "one that is off", "a list beside a stanza"])
def test_versions_of_the_target_are_found_and_staged(machine: AptMachine, archive: Archive, form: str) -> None:
    """Whatever else the file names: it is neither asked nor mixed in."""
    other = f"Types: deb\nURIs: {archive.url}/gone/\nSuites: /\nTrusted: yes\n"
    text = {
        "a line": f"deb [trusted=yes arch=amd64] {archive.url}/core:/stable:/v1.36/deb/ /\n",
        "two stanzas": f"{other}\n{stanza(archive.url)}",
        "one that is off": f"{stanza('http://127.0.0.1:9')}Enabled: no\n\n{stanza(archive.url)}",
        "a list beside a stanza": stanza(archive.url),
    }[form]
    machine.file(f"/etc/apt/sources.list.d/k.{'list' if form == 'a line' else 'sources'}", text)
    if form == "a list beside a stanza":
        machine.file("/etc/apt/sources.list", f"deb [trusted=yes] {archive.url}/core:/stable:/v1.36/deb/ /\n")
    found = ask(machine)
    assert (found.problem, found.candidates) == ("", dict.fromkeys(PROGRAMS, (f"{NEW}-1.1",)))
    status, said = stage(machine)
    assert status == 0, said
    assert scripts.parse_images(said) == (f"registry.example/kube-proxy:v{NEW}",)


def test_a_key_of_the_legacy_keyring_is_a_warning_and_no_fault(
    machine: AptMachine, archive: Archive, tmp_path: Path
) -> None:
    """The candidate is there, and its index is one of now."""
    key = sign(archive.folder / "core:/stable:/v1.37/deb", tmp_path / "gpg")
    (machine.root / "etc/apt/trusted.gpg").write_bytes(key)
    machine.file("/etc/apt/sources.list", f"deb {archive.url}/core:/stable:/v1.36/deb/ /\n")
    found = ask(machine)
    assert (found.problem, found.candidates["kubeadm"]) == ("", (f"{NEW}-1.1",))
    status, said = stage(machine)
    assert status == 0, said
    assert "\nW: " in said, "apt does not warn any more: this test proves nothing"


@pytest.mark.parametrize("ours", [True, False])
def test_a_repository_that_does_not_answer_is_not_one_that_has_nothing(
    machine: AptMachine, archive: Archive, *, ours: bool
) -> None:
    """Whether our patience ends first or apt's: there is a reason, in the plan and where packages are staged."""
    machine.file("/etc/apt/sources.list", f"deb [trusted=yes] {archive.url}/core:/stable:/v1.36/deb/ /\n")
    archive.fall_silent()
    found = ask(machine, our_seconds=1) if ours else ask(machine, apt_seconds=1)
    assert archive.asked.is_set()
    assert found.candidates == {}
    assert ("no answer within 20 s" if ours else "Failed to fetch") in found.problem
    archive.let_go()
    assert ask(machine).candidates["kubelet"] == (f"{NEW}-1.1",)


def test_what_is_staged_waits_for_a_repository_that_does_not_answer(machine: AptMachine, archive: Archive) -> None:
    """75 says that it may be tried again, and the last line why."""
    machine.file("/etc/apt/sources.list", f"deb [trusted=yes] {archive.url}/core:/stable:/v1.36/deb/ /\n")
    settings = Path(machine.variables["APT_CONFIG"])
    settings.write_text(f'{settings.read_text()}Acquire::http::Timeout "1";\n')
    archive.fall_silent()
    status, said = stage(machine)
    assert (status, said.splitlines()[-1]) == (75, "no repository of v1.37 has answered with an index of its packages")
    archive.let_go()
    status, said = stage(machine)
    assert status == 0, said


def test_a_repository_of_another_program_has_no_kubeadm(machine: AptMachine, archive: Archive) -> None:
    """It has answered: there is nothing wrong but that."""
    machine.file("/etc/apt/sources.list", f"deb [trusted=yes] {archive.url}/core:/stable:/v1.36/deb/ /\n")
    for file in (archive.folder / "core:/stable:/v1.37/deb").glob("*.deb"):
        file.unlink()
    archive.publish("core:/stable:/v1.37/deb", "1", "other")
    found = ask(machine)
    assert (found.problem, found.candidates) == ("", {})


# --- the patch of a system, whose lists are kept


def patch_problem(machine: AptMachine) -> str:
    """Why it is not known what a patch would do; empty where it is."""
    machine.program("dpkg-query")
    done = machine.run(facts.look(Scope.ALL, refresh=True))
    assert done.returncode == 0, done.stderr
    return facts.parse("w1", done.stdout.encode(), Scope.ALL).updates.problem


def test_a_release_with_another_label_is_accepted_once_for_the_system_and_for_us(
    machine: AptMachine, archive: Archive
) -> None:
    """Not by us: the plan names the command, and that one reaches our own lists."""
    machine.file("/etc/apt/sources.list", f"deb [trusted=yes] {archive.url}/other/ /\n")
    assert machine.apt_get("update").returncode == 0
    assert patch_problem(machine) == ""
    archive.publish("other", "2", "other", label="second")
    assert "changed its 'Label' value from 'first' to 'second'" in patch_problem(machine)
    assert machine.apt_get("update").returncode != 0
    assert machine.apt_get("update", "--allow-releaseinfo-change").returncode == 0
    assert patch_problem(machine) == ""


def test_one_repository_of_several_that_fails_is_a_problem_of_a_patch(machine: AptMachine, archive: Archive) -> None:
    """A warning about a key is none: apt's status says which is which."""
    machine.file("/etc/apt/sources.list", f"deb [trusted=yes] {archive.url}/other/ /\n")
    assert patch_problem(machine) == ""
    machine.file("/etc/apt/sources.list.d/gone.list", "deb [trusted=yes] http://127.0.0.1:9/gone/ /\n")
    assert patch_problem(machine).startswith("apt-get update: ")


def test_a_legacy_key_is_no_problem_of_a_patch(machine: AptMachine, archive: Archive, tmp_path: Path) -> None:
    """apt warns of it, and has the index."""
    key = sign(archive.folder / "other", tmp_path / "gpg")
    (machine.root / "etc/apt/trusted.gpg").write_bytes(key)
    machine.file("/etc/apt/sources.list", f"deb {archive.url}/other/ /\n")
    assert machine.apt_get("update").stderr.startswith("W: ")
    assert patch_problem(machine) == ""
