"""Which repositories of Kubernetes files of sources name. What apt makes of the same files: tests/component/test_apt.py."""

import base64

import pytest

from tasks.nodes.models.nodes import PackageManager, Packages
from tasks.nodes.probes.repositories import SourceFile, copies_for, minors_of, rewritten_for
from tasks.nodes.probes.sources import ask_repositories, in_lines, rewritten_in_lines, sources_in, with_answer

TARGET = "1.37"
LIST, SOURCES, REPO = "/etc/apt/sources.list.d/k.list", "/etc/apt/sources.list.d/k.sources", "/etc/yum.repos.d/k.repo"
URL = "https://pkgs.k8s.io/core:/stable:/v1.36/deb/"
NEW = URL.replace("1.36", TARGET)
STANZA = f"Types: deb\nURIs: {URL}\nSuites: /\n"
SECTION = """\
# before
; core:/stable:/v1.30
  odd
[main]
gpgcheck=1

[kubernetes]
name=Kubernetes
baseurl=https://a/core:/stable:/v1.36/rpm/
   https://b/core:/stable:/v1.36/rpm/
enabled=1
gpgkey=https://a/core:/stable:/v1.36/rpm/repodata/repomd.xml.key
exclude=kubelet
  kubeadm
skip_if_unavailable = 1

[old]
baseurl=https://a/core:/stable:/v1.36/rpm/
enabled=0
"""


def copies(path: str, text: str, minor: str = TARGET) -> dict[str, str]:
    """For another minor, as text."""
    return {name: data.decode() for name, data in copies_for([SourceFile(path, text.encode())], minor).items()}


def rewritten(path: str, text: str) -> str:
    """What is left is what was there."""
    (found,) = rewritten_for([SourceFile(path, text.encode())], TARGET)
    assert found.before == text.encode()
    return found.after.decode()


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        (f"deb {URL} /\n", f"deb {NEW} /\n"),
        (
            f"deb [ signed-by=/k#{URL} arch=amd64 ] {URL} / # {URL}\n",
            f"deb [ signed-by=/k#{URL} arch=amd64 ] {NEW} /\n",
        ),
        (f'  deb "{URL}" /', f'deb "{NEW}" /\n'),
        (f"deb {URL.replace(':', '%3A')} /\n", f"deb {NEW.replace(':', '%3A')} /\n"),
        ("deb http://[fd00::1]/core/stable/v1.36/deb/ /\n", "deb http://[fd00::1]/core/stable/v1.37/deb/ /\n"),
        (f"deb {URL} /\ndeb {URL} /\n", f"deb {NEW} /\n"),
        (f"deb {NEW} /\ndeb {URL}x /\n", f"deb {NEW} /\n"),
    ],
)
def test_a_line_of_apts_list_is_a_repository(text: str, copy: str) -> None:
    """With its options; comments are none of it, and the same one twice is one."""
    assert copies(LIST, text) == {"target.list": copy}


@pytest.mark.parametrize(
    "text",
    [
        f"# deb {URL} /\n",
        f"#{STANZA}",
        f"deb {URL}\n",
        f"rpm {URL} /\n",
        f"deb [signed-by=/core:/stable:/v1.36/k] https://h/debian bookworm main # {URL}\n",
        "deb https://h/core:/stable:/v1.36.1/deb/ /\n",
        "deb https://pkgs.k8s.io/addons:/cri-o:/stable:/v1.36/deb/ /\n",
        "",
    ],
)
def test_what_is_no_line_of_kubernetes_is_none(text: str) -> None:
    """Comments, options, other programs."""
    assert (copies(LIST, text), minors_of([SourceFile(LIST, text.encode())])) == ({}, {})


def test_sources_alone_are_known_and_not_asked() -> None:
    """They are rewritten, too."""
    text = f"deb-src {URL} /\n"
    assert (copies(LIST, text), rewritten(LIST, text)) == ({}, f"deb-src {NEW} /\n")
    text = STANZA.replace("deb\n", "deb-src\n", 1)
    assert (copies(SOURCES, text), rewritten(SOURCES, text)) == ({}, text.replace("1.36", TARGET))


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        (STANZA, f"Types: deb\nURIs: {NEW}\nSuites: /\n"),
        (
            f"{STANZA}\n\nTypes: deb\nURIs: http://d/debian\nSuites: s\nComponents: main",
            f"Types: deb\nURIs: {NEW}\nSuites: /\n",
        ),
        (f"Types: deb\nURIs: http://d/debian\n\n{STANZA}", f"Types: deb\nURIs: {NEW}\nSuites: /\n"),
        (
            f"TYPES: deb deb-src\n#x\nuris:\n {URL}\n# {URL}\n http://d/\nsuites: /\n",
            f"Types: deb\nURIs: {NEW}\nsuites: /\n",
        ),
        (f"{STANZA}Signed-By:\n KEY\n .\n", f"Types: deb\nURIs: {NEW}\nSuites: /\nSigned-By:\n KEY\n .\n"),
        (f" orphan\n{STANZA}Enabled: \n", f"Types: deb\nURIs: {NEW}\nSuites: /\nEnabled: \n"),
        (f"{STANZA}Enabled: perhaps\n", f"Types: deb\nURIs: {NEW}\nSuites: /\nEnabled: perhaps\n"),
        (f"URIs: {URL} {NEW}\nTypes: deb\nSuites: /\n", f"Types: deb\nURIs: {NEW}\nSuites: /\n"),
    ],
)
def test_a_stanza_is_a_repository(text: str, copy: str) -> None:
    """Whole, and alone: in any case, over several lines, with its key."""
    assert copies(SOURCES, text) == {"target.sources": copy}


@pytest.mark.parametrize("off", ["no", "No", "false", "without", "off", "disable", "0", "00"])
def test_a_stanza_that_is_off_is_none(off: str) -> None:
    """As apt understands it."""
    text = f"{STANZA}Enabled: {off}\n"
    assert copies(SOURCES, text) == {}
    assert rewritten(SOURCES, f"{text}\n{STANZA}") == f"{text}\n{STANZA.replace('1.36', TARGET)}"


def test_a_section_of_dnf_is_a_repository() -> None:
    """Without what it hides, and its silence is a fault; a section that is off is none."""
    assert copies(REPO, SECTION) == {
        "target.repo": "[kubernetes]\nname=Kubernetes\nbaseurl=https://a/core:/stable:/v1.37/rpm/\n"
        "   https://b/core:/stable:/v1.37/rpm/\nenabled=1\n"
        "gpgkey=https://a/core:/stable:/v1.37/rpm/repodata/repomd.xml.key\nskip_if_unavailable=0\n"
    }
    assert rewritten(REPO, SECTION) == SECTION.replace("v1.36", "v1.37", 3)
    mixed = SECTION.replace("https://b/core:/stable:/v1.36", "https://b/core:/stable:/v1.9")
    assert "https://b/core:/stable:/v1.9/rpm/" in copies(REPO, mixed)["target.repo"]


def test_of_several_minors_the_newest_is_the_clusters() -> None:
    """By number; unless the target is named already: then nothing is written."""
    old = SourceFile(LIST, b"deb https://a/core:/stable:/v1.9/deb/ /\n")
    new = SourceFile(SOURCES, STANZA.encode())
    assert minors_of([old, new]) == {LIST: "1.9", SOURCES: "1.36"}
    assert [one.path for one in rewritten_for([old, new], TARGET)] == [SOURCES]
    assert set(copies_for([old, new], TARGET)) == {"target.sources"}
    assert rewritten_for([old, new], "1.36") == ()
    assert rewritten_for([], TARGET) == ()


def test_only_files_that_apt_reads_are_read() -> None:
    """It ignores others, and says so to nobody."""
    assert minors_of([SourceFile("/etc/apt/sources.list.d/my list.list", f"deb {URL} /\n".encode())]) == {}


def test_files_come_from_a_node_and_go_back_whole() -> None:
    """Bytes that are no text among them, and a name with a space."""
    data = f"# \xff\ndeb {URL} /\n".encode("latin-1")
    text = base64.b64encode(data).decode()
    sources = sources_in(f"manager apt\nsource_file {text} /etc/a b.list\nsource_file {text} {LIST}\n".encode())
    assert (sources.manager, [one.path for one in sources.files]) == (PackageManager.APT, ["/etc/a b.list", LIST])
    found = rewritten_for(sources.files, TARGET)
    assert [one.path for one in found] == [LIST]
    before, after, path = rewritten_in_lines(found).decode().rstrip("\n").split(" ", 2)
    assert (base64.b64decode(before), path) == (data, LIST)
    assert base64.b64decode(after) == data.replace(b"1.36", b"1.37")
    assert in_lines({"target.list": b"x"}) == b"target.list eA==\n"


def answer(status: int, said: str, *more: str) -> Packages:
    """What is read of it."""
    lines = (f"asked {status} {base64.b64encode(said.encode()).decode()}", *more)
    return with_answer(Packages(held=("kubelet",)), "\n".join(lines).encode())


def test_an_index_is_an_answer_whatever_was_warned_of_beside_it() -> None:
    """Also one without the package."""
    found = answer(
        100,
        "W: a legacy key\nE: another repository",
        "index https://x",
        "candidate kubeadm 1.37.2-1.1",
        "candidate kubeadm 1.37.2-1.1",
    )
    assert (found.problem, found.candidates, found.held) == ("", {"kubeadm": ("1.37.2-1.1",)}, ("kubelet",))
    assert answer(0, "", "index https://x").problem == ""


@pytest.mark.parametrize(
    ("status", "said", "problem"),
    [
        (124, "", "no answer within 20 s"),
        (124, "Err:1\n\n  timed out", "no answer within 20 s (Err:1 / timed out)"),
        (100, "a\nb\nc\nE: no route", "b / c / E: no route"),
        (0, "", "the package manager has got no index of it, and says nothing (status 0)"),
    ],
)
def test_no_index_is_no_answer_and_says_why(status: int, said: str, problem: str) -> None:
    """In the package manager's words where it has some."""
    assert answer(status, said).problem == problem


def test_an_index_that_apt_does_not_read_is_not_one_without_the_package() -> None:
    """It is not known what the repository has."""
    said = base64.b64encode(b"E: The package lists or status file could not be parsed").decode()
    told = "its index is there, and apt does not read it"
    assert answer(0, "", "index https://x", f"unread {said}").problem == (
        f"{told}: E: The package lists or status file could not be parsed"
    )
    assert answer(0, "", "index https://x", "unread ").problem == f"{told}: it printed nothing"


def test_an_answer_that_is_none_is_told() -> None:
    """Cut off, or not in base64."""
    assert "status unknown" in with_answer(Packages(), b"").problem
    assert "status 1" in with_answer(Packages(), b"asked 1 a").problem


def test_the_question_has_no_source_in_it() -> None:
    """They may have passwords."""
    assert "PROGRAMS='kubeadm kubelet'\n" in ask_repositories(PackageManager.APT, ("kubeadm", "kubelet"))
