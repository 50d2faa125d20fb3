"""Defines why a person or an incident asks for a run."""

import re
from typing import Annotated

from pydantic import StringConstraints

from tasks.core.models.base import Model

Reason = Annotated[str, StringConstraints(min_length=3, max_length=200, pattern=r"^[^\r\n]+$")]
Ticket = Annotated[str, StringConstraints(max_length=63, pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/#:-]*$")]


class Requested(Model):
    """Holds why something is asked for, the ticket, and the run that does it."""

    reason: str
    ticket: str = ""
    run_id: str

    @property
    def in_words(self) -> str:
        """Returns the ticket and the reason, as in `INC-7: its disk is failing`."""
        return ticketed(self.ticket, self.reason)


def ticketed(ticket: str, reason: str) -> str:
    """Returns the ticket and the reason, with the ticket once if the reason begins with it."""
    has_it = re.match(rf"{re.escape(ticket)}(?![A-Za-z0-9])", reason)
    return reason if not ticket or has_it else f"{ticket}: {reason}".removesuffix(": ")
