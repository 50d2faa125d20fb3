"""Writes documents in a form that kubeadm and Kubernetes read as intended.

PyYAML leaves `1e3`, `y` and `1:30` without quotes. kubeadm uses another YAML parser: it reads them as a number,
as `true`, and as a number in base 60. JSON is YAML for every parser, and strings in JSON have quotes.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import yaml

_NOT_AS_IT_IS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Matches characters that JSON leaves unescaped. In YAML they are line breaks, or are not allowed."""

Documents = Iterable[Mapping[str, Any]]


def dump_all(documents: Documents) -> str:
    """Returns each document as JSON on its own line, with `---` between documents.

    Raises:
        ValueError: a number that JSON does not support (`.nan`, `.inf`)
    """
    return "---\n".join(f"{dump(document)}\n" for document in documents)


def dump(document: object) -> str:
    """Returns one document as JSON, without a line end. A date is written as a string."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, default=_as_text)
    return _NOT_AS_IT_IS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def in_lines(document: object) -> str:
    """Returns one document in YAML's block style, one key per line, for files that people and scripts read.

    Strings have quotes where another YAML parser could read something other than a string.
    """
    return yaml.dump(document, Dumper=_Quoting, width=10**9, sort_keys=True, default_flow_style=False)


class _Quoting(yaml.SafeDumper):
    """This dumper writes no aliases.

    A string stays unquoted only if it begins with a letter or `/` and has only plain characters. Words with a
    meaning in YAML are quoted too.
    """

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


_SURE = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z/][a-z0-9/+=:@._-]*", re.IGNORECASE)


def _scalar(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _SURE.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Quoting.add_representer(str, _scalar)


def _as_text(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is nothing that YAML knows")
