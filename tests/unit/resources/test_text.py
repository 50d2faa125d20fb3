"""What is written as YAML is read back as the same value, and reads well."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.resources.policy.text import LONGEST_KEY, to_yaml

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
TRICKY = st.text(
    st.sampled_from(" \n\t\r:#-'\"|>~a0.{}[],&*!%@`?=<\x00\x7f\x85\xa0\u2028\ufeff\U0001f600_"), max_size=9
)
TEXTS = (
    TRICKY
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(
        [
            "yes",
            "No",
            "on",
            "null",
            "~",
            "1",
            "0x1f",
            "1e3",
            ".5",
            "1:30",
            "2026-12-01",
            "a: b",
            "a #b",
            "<<",
            "=",
            "a:",
            "é",
            "a  b",
        ]
    )
)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example({"a": "\n"})
@example({"a": "b\n\n\n"})
@example({"a": "b\n  \n"})
@example({"a": "b\n\tc"})
@example({"a": "b \n c\n"})
@example({"a" * (LONGEST_KEY + 1): {"b": ["c\nd"]}})
@example({"a" * (LONGEST_KEY + 1): "b"})
def test_every_value_is_read_back(value: dict[str, Any]) -> None:
    """By the parser that reads a backup, and by the one in Python."""
    text = to_yaml(value)
    assert yaml.load(text, yaml.CSafeLoader) == value
    assert yaml.safe_load(text) == value


@pytest.mark.parametrize("number", [1e20, 1.5e-7, 1e-7, -0.0, 3.0, math.pi], ids=str)
def test_a_float_stays_a_float(number: float) -> None:
    """YAML 1.1 reads 1e+20 as a text."""
    found = yaml.safe_load(to_yaml({"a": number}))["a"]
    assert (type(found), found) == (float, number)


def test_it_reads_well() -> None:
    """Chosen keys first, all others by name; blocks for texts of several lines; no quotes where none are needed."""
    value = {
        "kind": "ConfigMap",
        "data": {"b": "x = 1\ny = 2\n", "a": "on", "c": "last\nline", "d": "and\nmore\n\n"},
        "list": [{"name": "web", "args": ["-v", [1, []]]}, {}, None, "a b"],
    }
    assert to_yaml(value, ("kind",)) == (
        "kind: ConfigMap\n"
        'data:\n  a: "on"\n  b: |\n    x = 1\n    y = 2\n  c: |-\n    last\n    line\n  d: |+\n    and\n    more\n\n'
        'list:\n- args:\n  - "-v"\n  - - 1\n    - []\n  name: web\n- {}\n- null\n- a b\n'
    )
