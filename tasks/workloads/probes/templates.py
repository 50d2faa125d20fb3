"""Reads pod templates, which are kept as the API has them."""

from collections.abc import Mapping
from typing import Any

from tasks.core.models import outside


def checked_template(template: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Returns the template as it is; raises `NotYet` if a part of it that is read could not be parsed."""
    outside.RolledTemplate.read(template, f"the template of {what}")
    return dict(template)
