"""Nothing secret in logs: known values, and whatever looks like key material."""

import logging

import pytest

from tasks import redaction
from tasks.redaction import redact, remember_secret

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabc\ndefghijklmnop\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key: {PEM} end", "key: *** end"),
        ("-----BEGIN PRIVATE KEY-----\nMHcCAQ", "***"),
        ("PUT /k?X-Amz-Signature=0123abcd&x=1", "PUT /k?X-Amz-Signature=***&x=1"),
        ("X-Amz-Security-Token=FwoGZXI%2F&y=2", "X-Amz-Security-Token=***&y=2"),
        ("AGE-SECRET-KEY-1QQQQ", "***"),
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"),
    ],
)
def test_key_material_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    """Also when it was never seen before."""
    assert redact(text) == shown


def test_a_known_secret_is_masked_also_line_by_line() -> None:
    """A key in a traceback is often cut into lines; short words are left alone."""
    remember_secret("first-line-of-it\nsecond-line-of-it\nab\n")
    assert redact("x second-line-of-it y ab") == "x *** y ab"


def test_log_records_and_their_tracebacks_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    """Arguments too, for every logger of the process."""
    remember_secret("top-secret-value")
    redaction.install()
    try:
        raise ValueError("failed with top-secret-value")  # noqa: TRY301 - the traceback is the point
    except ValueError:
        logging.getLogger("anything").exception("saw %s", "top-secret-value")
    assert "top-secret-value" not in caplog.text
    assert "saw ***" in caplog.text
    assert "ValueError: failed with ***" in caplog.text
