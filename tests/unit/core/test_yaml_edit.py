"""Scalars of a YAML text are changed in their places, in every form in which YAML writes them, or nothing is."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import NotYet, Refused
from tasks.core.probes.yaml_edit import Path, edited, edits

PATH: Path = ("spec", "command", 1)


def changed(text: str, path: Path, value: str) -> str:
    """By the edits of one scalar."""
    return edited(text.encode(), edits(text, {path: value}, "a manifest")).decode()


@pytest.mark.parametrize(
    "written",
    [
        "spec:\n  command:\n  - a\n  - --x=1 # why\n  - z\n",
        'spec:\n  command:\n  - a\n  - "--x=1"\n  - z\n',
        "spec:\n  command:\n  - a\n  - '--x=1'\n  - z\n",
        "spec: {command: [a, --x=1, z]} # in one line\n",
        '{"spec": {"command": ["a", "--x=1", "z"]}}',
        "# é: two bytes\nspec:\n  command:\n  - a\n  - >-\n    --x=1\n  - z\n",
        "spec:\n  command:\n  - a\n  - |-\n    --x=1\n  - z\n",
        "spec:\n  command: [a,\n    --x=1,\n    z]\n",
    ],
)
@pytest.mark.parametrize("value", ["--x=/etc/b.crt", "--x=a: b, #c", "1e3", "yes", "", "é"])
def test_one_scalar_becomes_another_and_nothing_else(written: str, value: str) -> None:
    """Whatever its style; comments, and the style of everything else, stay."""
    text = changed(written, PATH, value)
    assert yaml.safe_load(text) == {"spec": {"command": ["a", value, "z"]}}
    assert text.count("#") - value.count("#") == written.count("#")


def test_several_at_once_and_a_scalar_of_several_lines() -> None:
    """As a kubeconfig has them whose base64 somebody has folded."""
    written = "a:\n  data: AAAA\n    BBBB\n  b: x\nc:\n- {d: y}\n"
    wanted: dict[Path, str] = {("c", 0, "d"): "z", ("a", "data"): "CCCC"}
    text = edited(written.encode(), edits(written, wanted, "a kubeconfig")).decode()
    assert yaml.safe_load(text) == {"a": {"data": "CCCC", "b": "x"}, "c": [{"d": "z"}]}


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a: &x 1\nb: *x\n", ("a",)),  # the other one would change, too
        ("a: [1]\n", ("a",)),
        ("a: [1]\n", ("a", 3)),
        ("a: 1\n", ("a", "b")),
        ("a: 1\n", ("b",)),
        ("", ("b",)),
    ],
)
def test_what_cannot_be_changed_alone_is_refused(written: str, path: Path) -> None:
    """Rather than guessed."""
    with pytest.raises(Refused, match="a manifest: "):
        edits(written, {path: "2"}, "a manifest")


def test_what_is_no_yaml_is_told() -> None:
    """With the name of the text."""
    with pytest.raises(NotYet, match="a manifest is not YAML"):
        edits("a: [", {("a",): "2"}, "a manifest")


@given(
    st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=9), min_size=1, max_size=3), min_size=1), st.text()
)
def test_any_document_keeps_its_other_values(document: dict[str, list[str]], value: str) -> None:
    """Of what is printable; YAML has no other characters."""
    written = yaml.safe_dump(document, allow_unicode=False)
    path: Path = (next(iter(document)), 0)
    text = changed(written, path, value)
    expected = {key: [*values] for key, values in document.items()}
    expected[str(path[0])][int(path[1])] = value
    assert yaml.safe_load(text) == expected
