"""Rules that hold for every model, and for the names of our packages."""

import importlib
import pkgutil
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from pydantic import ValidationError

import flows
import tasks
from tasks.core.models.base import Duration, Model, UtcTime


def every_model() -> list[type[Model]]:
    """All of ours."""
    for module in pkgutil.walk_packages(tasks.__path__, "tasks."):
        importlib.import_module(module.name)
    found, waiting = [], [Model]
    while waiting:
        waiting += (below := waiting.pop().__subclasses__())
        found += [one for one in below if one.__module__.startswith("tasks.")]
    return found


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_a_model_is_frozen_strict_and_safe_to_hand_to_prefect(model: type[Model]) -> None:
    """Prefect calls dict() on a task's result, which calls a field named `keys` if there is one."""
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert not set(model.model_fields) & set(dir(dict))


class Times(Model):
    """One of each."""

    at: UtcTime
    took: Duration


def test_times_are_in_utc_and_need_a_zone() -> None:
    """Wherever they came from."""
    times = Times.model_validate({"at": "2026-11-23T13:00:00+01:00", "took": "90m"})
    assert times.model_dump_json() == '{"at":"2026-11-23T12:00:00Z","took":"PT1H30M"}'
    assert Times.model_validate_json(times.model_dump_json()) == times
    with pytest.raises(ValidationError, match="a time needs a zone, for example 2026-11-23T12:00:00Z"):
        Times.model_validate({"at": "2026-11-23T13:00:00", "took": 1})


@pytest.mark.parametrize("text", ["26", "26 h", "1.5h", "-3d", "9999999w", "h", ""])
def test_a_length_of_time_is_a_whole_number_with_a_unit(text: str) -> None:
    """And the error says so."""
    with pytest.raises(ValidationError, match="not a length of time|more than 6 digits"):
        Times.model_validate({"at": "2026-11-23T13:00:00Z", "took": text})


def test_no_dependency_installs_a_package_of_our_names() -> None:
    """`flows` and `tasks` are generic; whoever else brings one would replace ours."""
    owners = packages_distributions()
    for package in (flows, tasks):
        assert set(owners.get(package.__name__, ["kube-runbooks"])) == {"kube-runbooks"}
        assert Path(str(package.__file__)).parents[1] == Path(__file__).parents[2]
