"""Keeps secrets out of logs, artifacts and reports: it masks known values and anything that resembles key material."""

import logging
import re
import threading
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import JsonValue

from tasks.core.secret_forms import SHORTEST, forms_of, secrets_in, secrets_of_configuration

MASK = "***"

_LOOKS_SECRET = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z))",
        # The same in base64, as kubeconfigs and Secrets have it: the words PRIVATE KEY at each of three offsets.
        r"(LS0tLS1CRUdJTi[A-Za-z0-9+/]{0,24}?(?:UFJJVkFURSBLRV|BSSVZBVEUgS0VZ|QUklWQVRFIEtFW)[A-Za-z0-9+/]*={0,2})",
        r"X-Amz-Signature(?:=|%3D)([0-9a-fA-F]+)",
        r", Signature=([0-9a-fA-F]+)",
        r"X-Amz-Security-Token(?:=|%3D)([^&\s\"'\\]+)",
        r"Bearer ([A-Za-z0-9._~+/-]{20,}=*)",
        # A JWT. Its head has an end, so that a long word with many such beginnings is not read again from each of them.
        r"(eyJ[A-Za-z0-9_-]{8,2048}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
        r"(AGE-SECRET-KEY-[0-9A-Z]+)",
    )
)
"""Lists the patterns of key material. Each begins with fixed words to which a search jumps.

One pattern for all of them takes 400 times as long.
"""

_known: dict[str, tuple[str, ...]] = {}
"""Holds the forms of known secrets by their first characters, the longest first.

So a text is scanned only once, however many secrets there are.
"""
_values: set[str] = set()
_lock = threading.Lock()


def remember_secret(text: str) -> None:
    """Masks this value from now on wherever `redact` is used, in every form.

    In a kubeconfig or a PEM file, it masks only the secret parts.
    """
    _remember(secrets_in(text))


def remember_secrets_of(file: str) -> None:
    """Masks the secrets in a file of the control plane that may contain other things too."""
    _remember(secrets_of_configuration(file))


def _remember(values: Iterable[str]) -> None:
    with _lock:
        fresh = set(values) - _values
        _values.update(fresh)
        for form in {form for value in fresh for form in forms_of(value)}:
            there = _known.get(form[:SHORTEST], ())
            if form not in there:
                _known[form[:SHORTEST]] = tuple(sorted((*there, form), key=len, reverse=True))


def redact(text: str) -> str:
    """Returns the text without key material."""
    shown: list[str] = []
    end = 0
    for begins, ends in sorted((*_what_looks_secret(text), *_what_is_known(text))):
        if begins > end or not (shown or end):
            shown += [text[end:begins], MASK]
        end = max(end, ends)
    return "".join((*shown, text[end:])) if end else text


def redact_json(value: JsonValue) -> JsonValue:
    """Returns the document with each text redacted, and keeps its structure.

    A key that is cut off ends with its text, not with the document.
    """
    match value:
        case str():
            return redact(value)
        case list():
            return [redact_json(one) for one in value]
        case dict():
            return {redact(name): redact_json(one) for name, one in value.items()}
        case _:
            return value


def _what_looks_secret(text: str) -> Iterator[tuple[int, int]]:
    return (found.span(1) for pattern in _LOOKS_SECRET for found in pattern.finditer(text))


def _what_is_known(text: str) -> Iterator[tuple[int, int]]:
    known = _known
    hits = [at for at in range(len(text) - SHORTEST + 1) if text[at : at + SHORTEST] in known]
    for at in hits:
        for form in known[text[at : at + SHORTEST]]:
            if text.startswith(form, at):
                yield at, at + len(form)
                break


def install() -> None:
    """Makes every log record of this process, tracebacks included, pass through `redact`. It is safe to call again."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def make_redacted(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 - the factory's own signature
        record = make(*args, **kwargs)
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and record.exc_info[0]:
            # A formatter takes a cached text before it formats exc_info itself.
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return record

    make_redacted.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_redacted)
