"""No secret in logs, artifacts or reports: known values and anything that looks like key material is masked."""

import logging
import re
import threading
import traceback
from typing import Any

MASK = "***"
SHORTEST = 6
"""Characters; masking shorter values would mask ordinary words, and no real key is that short."""

_LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
    r"|(?<=X-Amz-Signature=)[0-9a-fA-F]+"
    r"|(?<=X-Amz-Security-Token=)[^&\s\"']+"
    r"|AGE-SECRET-KEY-[0-9A-Z]+",
    re.DOTALL,
)

_known: set[str] = set()
_lock = threading.Lock()


def remember_secret(text: str) -> None:
    """From now on this value, and each line of it, is masked wherever `redact` looks."""
    lines = {text.strip(), *(line.strip() for line in text.splitlines())}
    with _lock:
        _known.update(line for line in lines if len(line) >= SHORTEST and not line.startswith("-----"))


def redact(text: str) -> str:
    """The text without key material."""
    text = _LOOKS_SECRET.sub(MASK, text)
    with _lock:
        found = [secret for secret in _known if secret in text]
    for secret in sorted(found, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def install() -> None:
    """Makes every log record of this process pass through `redact`, tracebacks included; safe to call again."""
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
