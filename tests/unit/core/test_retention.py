"""Rules of retention as a person writes them: what is wrong is told with its field."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from tasks.core.models.retention import Retention
from tests.facts.retention import COUNTED, at


@pytest.mark.parametrize("field", COUNTED)
@pytest.mark.parametrize("value", [-1, 100_001, "many", 1.5, None])
def test_a_bad_number_names_its_field(field: str, value: object) -> None:
    """The model refuses what is no count, and says which field holds it."""
    with pytest.raises(ValidationError, match=rf"(?m)^{field}$"):
        Retention.model_validate({"last": 1, field: value})


@pytest.mark.parametrize(
    "value", [-5, timedelta(seconds=-1), "-5d", "-P1D", "soon", "5 fortnights", "", float("nan"), float("inf"), None]
)
def test_a_bad_length_of_time_names_its_field(value: object) -> None:
    """The model refuses negative lengths and unknown words, and says that `within` holds them."""
    with pytest.raises(ValidationError, match=r"(?m)^within$"):
        Retention.model_validate({"last": 1, "within": value})


def test_an_unknown_rule_is_named() -> None:
    """A misspelt rule is an error that names it, not a rule that is silently not there."""
    with pytest.raises(ValidationError, match=r"(?m)^keep_last\n  Extra inputs are not permitted"):
        Retention.model_validate({"keep_last": 3})


@pytest.mark.parametrize("rules", [{}, dict.fromkeys(COUNTED, 0), {"within": "0s"}])
def test_rules_of_zeros_name_all_fields(rules: dict[str, object]) -> None:
    """Rules that keep nothing are refused with the list of what could be set."""
    with pytest.raises(ValidationError, match="keeps nothing") as refused:
        Retention.model_validate(rules)
    assert all(field in str(refused.value) for field in (*COUNTED, "within"))


def test_a_backup_without_a_zone_is_refused() -> None:
    """A backup's time without a zone is an error of the model that names the field."""
    with pytest.raises(ValidationError, match=r"(?m)^taken_at\n.*a time needs a zone"):
        at("2026-11-23T11:00:00")
