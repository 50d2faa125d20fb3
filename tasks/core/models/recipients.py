"""Reads recipients of age (age-encryption.org).

They are public keys: only the owner of a secret half can read what is encrypted.
"""

from typing import Annotated

from pydantic import AfterValidator
from pyrage import RecipientError, ssh, x25519

IDENTITY = "age-secret-key-"
"""This is the prefix of age's secret keys. It is usually in upper case, but age reads both."""


def parse_recipient(text: str) -> x25519.Recipient | ssh.Recipient:
    """Returns the key of `age1...`, `ssh-ed25519 ...` or `ssh-rsa ...`.

    If the text is no public key, it raises ValueError, and the message does not contain the text.
    """
    if text.lower().startswith(IDENTITY) or "PRIVATE KEY" in text:
        message = (
            "this is a secret key; write its public half (age-keygen -y FILE), and replace a key that others have seen"
        )
        raise ValueError(message)
    kind = ssh.Recipient if text.startswith("ssh-") else x25519.Recipient
    try:
        if "\n" not in text:  # of several lines, age would take the first and say nothing of the others
            return kind.from_str(text)
    except RecipientError:
        pass
    message = "not a recipient; write age1..., ssh-ed25519 ... or ssh-rsa ... (2048 bits or more), one key an entry"
    raise ValueError(message)


def _is_a_recipient(text: str) -> str:
    parse_recipient(text)
    return text


AgeRecipient = Annotated[str, AfterValidator(_is_a_recipient)]
"""This is the public half of a key: `age1...` as age-keygen prints it, or a line of an `id_*.pub` file.

The supported files are `id_ed25519.pub` and `id_rsa.pub`.
"""
