"""Scripts for nodes: whole files with a head that is true, and values that arrive as they are."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks.core.shell import ROOT, script

FILES = sorted((ROOT / "tasks").rglob("*.sh"))
OF_EVERY_SHELL = {"PATH", "HOME", "IFS", "PWD", "LC_ALL", "LANG", "OPTARG", "OPTIND", "PPID"}
OF_SYSTEMD = {"SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS"}
"""In the environment of `ExecStopPost`."""


GIVEN = re.compile(r"^#(?: Given:)?\s+([A-Z][A-Z0-9_]*)\s\s", re.MULTILINE)


def parts(file: Path) -> tuple[str, str]:
    """Its head and its body."""
    text = file.read_text()
    body = re.sub(r"\A(?:#.*\n)+", "", text)
    return text.removesuffix(body), body


def sourced_by(file: Path) -> set[Path]:
    """Also what those files source."""
    found = {ROOT / name for name in re.findall(r"^\. (\S+)$", file.read_text(), re.MULTILINE)}
    return found | {more for one in found for more in sourced_by(one)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a script that says what it was given."""
    (tmp_path / "tell.sh").write_text(
        "#!/bin/sh\n# Tells.\n#\n# Given:  FIRST   a word\n#         SECOND  words\n\n"
        '. tasks/run/scripts/lock.lib.sh\n\nprintf "%s|" "$FIRST" $SECOND "$LOCK"\n'
    )
    return tmp_path / "tell.py"


def said(text: str) -> str:
    """By a shell."""
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("value", ["", 'it\'s $(id) `id` \\n "x"', "two\nlines\n", "*", "-n"])
def test_a_value_arrives_as_it_is(folder: Path, value: str) -> None:
    """It is never a part of the script."""
    text = script(str(folder), "tell", first=value, second=("a", "b"), lock="/x")
    assert said(text) == f"{value}|a|b|/x|"
    assert "#!/bin/sh" not in text


def test_numbers_truth_and_lists(folder: Path) -> None:
    """As a shell compares them."""
    given: dict[str, Any] = {"first": 7, "second": (), "lock": True}
    assert said(script(str(folder), "tell", **given)) == "7|yes|"
    assert said(script(str(folder), "tell", **given | {"lock": False})) == "7||"


@pytest.mark.parametrize("word", ["", "a b", "a\nb", "*", "$(id)\t", "it's"])
def test_a_list_has_words_alone(folder: Path, word: str) -> None:
    """Another one would be two, or another one."""
    with pytest.raises(ValueError, match="is not one word for a shell"):
        script(str(folder), "tell", first="", second=("a", word), lock="/x")


def test_a_text_is_never_split_at_its_spaces(tmp_path: Path) -> None:
    """A path with a space would be two: a list is given as one, or as lines, and then the script says so."""
    file = tmp_path / "tell.sh"
    loop = '#!/bin/sh\n# Given:  WORDS  words\n\nfor one in $WORDS; do\n  printf "%s|" "$one"\ndone\n'
    file.write_text(loop)
    with pytest.raises(ValueError, match="splits WORDS at spaces"):
        script(str(tmp_path / "tell.py"), "tell", words="/srv/my pki")
    assert said(script(str(tmp_path / "tell.py"), "tell", words=("a", "b"))) == "a|b|"
    other = tmp_path / "lines.sh"
    other.write_text(loop.replace("\nfor", "\nIFS='\n'\nfor"))
    assert said(script(str(tmp_path / "lines.py"), "lines", words="/srv/my pki\n/b")) == "/srv/my pki|/b|"


@pytest.mark.parametrize("given", [{}, {"first": ""}, {"first": "", "second": "", "lock": "", "more": ""}])
def test_a_script_is_given_what_its_head_says(folder: Path, given: dict[str, str]) -> None:
    """And what the heads of what it sources say; neither less nor more."""
    with pytest.raises(ValueError, match=re.escape("wants ['FIRST', 'LOCK', 'SECOND']")):
        script(str(folder), "tell", **given)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_script_says_what_it_is_given(file: Path) -> None:
    """Names in capitals that it reads and nobody sets are in its head, or in that of a file that it sources."""
    head, body = parts(file)
    assert head.startswith("#!/bin/sh\n# "), "a shebang for shellcheck, and what it is for"
    others = {name for one in sourced_by(file) for name in GIVEN.findall(parts(one)[0])}
    code = re.sub(r"^\s*#.*$", "", body, flags=re.MULTILINE)
    read = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)\b", code))
    made = set(re.findall(r"\b([A-Z][A-Z0-9_]*)=", code)) | set(
        re.findall(r"\b(?:for|read -r) ([A-Z][A-Z0-9_]*)", code)
    )
    assert set(GIVEN.findall(head)) == read - made - others - OF_EVERY_SHELL - OF_SYSTEMD
    if not file.name.endswith(".lib.sh") and file.name != "lib.sh":
        assert "\n# Prints:" in head
        assert "\n# Status:" in head


def test_no_script_is_left_over() -> None:
    """Each one is filled in by its own folder's Python, or sourced by another one."""
    scripts = {str(file.relative_to(ROOT)): file for file in FILES}
    sourced = {str(one.relative_to(ROOT)) for file in FILES for one in sourced_by(file)}
    for name, file in scripts.items():
        around = "".join("".join(one.read_text().split()) for one in file.parent.glob("*.py"))
        assert name in sourced or f'script(__file__,"{file.stem}"' in around, f"nobody runs {name}"
