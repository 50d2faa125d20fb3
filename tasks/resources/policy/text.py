"""Writes a value as YAML that people read and compare: sorted keys, one style, long texts as blocks.

PyYAML's fast dumper writes a text of several lines in quotes with escapes, and takes more than three times as long. What this
module writes, every YAML parser reads back as the same value (tests/unit/resources/test_text.py).
"""

import json
import re
from typing import Any

PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@+=,()-]| (?=[A-Za-z0-9_./@+=,()-])|:(?=[A-Za-z0-9_./@+=,()-]))*")
"""Fits a text that needs no quotes, unless it is one of WORDS. It has no `#`, and a colon never ends a word."""

WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

BLOCK = re.compile(
    r"[^\s\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff][\n\t\x20-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)
"""Fits a text that can be a block: it begins with a visible character, and has nothing that YAML would change."""

ESCAPED = re.compile(r"[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")

LONGEST_KEY = 500
"""YAML allows 1,024 characters before the colon; a longer key is written with a question mark."""


def to_yaml(value: dict[str, Any], first: tuple[str, ...] = ()) -> str:
    """Returns a mapping as YAML; the keys of `first` come first, all others in their order by name."""
    lines: list[str] = []
    names = [name for name in first if name in value]
    names += sorted(name for name in value if name not in first)
    for name in names:
        _pair(lines, "", name, value[name])
    return "\n".join(lines or ["{}"]) + "\n"


def _pair(lines: list[str], indent: str, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON
    key = _text(name)
    if len(key) > LONGEST_KEY:
        lines.append(f"{indent}? {key}")
        key = ""
    _value(lines, f"{indent}{key}:", indent, value)


def _value(lines: list[str], head: str, indent: str, value: Any) -> None:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        if "\n" in value and BLOCK.fullmatch(value):
            _block(lines, head, f"{indent}  ", value)
        else:
            lines.append(f"{head} {_text(value)}")
    elif isinstance(value, dict) and value:
        lines.append(head)
        for name in sorted(value):
            _pair(lines, f"{indent}  ", name, value[name])
    elif isinstance(value, list) and value:
        lines.append(head)
        for one in value:
            _item(lines, indent, one)
    else:
        lines.append(f"{head} {_scalar(value)}")


def _item(lines: list[str], indent: str, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Writes an item of a list at the indent of its key, as kubectl does."""
    if isinstance(value, (dict, list)) and value:
        begin = len(lines)
        if isinstance(value, dict):
            for name in sorted(value):
                _pair(lines, f"{indent}  ", name, value[name])
        else:
            for one in value:
                _item(lines, f"{indent}  ", one)
        lines[begin] = f"{indent}- {lines[begin][len(indent) + 2 :]}"
    else:
        _value(lines, f"{indent}-", indent, value)


def _block(lines: list[str], head: str, indent: str, value: str) -> None:
    rest = value.rstrip("\n")
    ends = len(value) - len(rest)
    lines.append(f"{head} |{'-' if ends == 0 else '' if ends == 1 else '+'}")
    lines += [f"{indent}{one}" if one else "" for one in rest.split("\n")]
    lines += [""] * (ends - 1)


def _text(value: str) -> str:
    if PLAIN.fullmatch(value) and value.casefold() not in WORDS:
        return value
    return ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _scalar(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"
    return json.dumps(value)
