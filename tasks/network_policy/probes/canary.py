"""Parses what a canary reads: the namespaces of canaries."""

from collections.abc import Mapping
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.network_policy.models import RUN, UNTIL, Leftover


def parse_leftover(raw: Mapping[str, Any]) -> Leftover:
    """Parses a namespace of a canary; an annotation that is missing is empty."""
    told = outside.Named.read(raw, name_of("namespace", raw)).metadata
    notes = told.annotations
    is_going = told.deletion_timestamp is not None
    return Leftover(told.name, told.uid, notes.get(UNTIL, ""), notes.get(RUN, ""), is_going=is_going)
