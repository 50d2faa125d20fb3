"""prefect.yaml says only what Prefect knows: it ignores an unknown key without a word."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy import _models
from prefect.events.schemas.automations import AutomationCore
from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
PROJECT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = PROJECT["deployments"]


def unknown_keys(raw: Any, model: type[BaseModel], where: str) -> list[str]:  # noqa: ANN401 - whatever YAML holds
    """Keys of `raw` that `model` has no field for."""
    fields = set(model.model_fields) | {field.alias for field in model.model_fields.values() if field.alias}
    return [f"{where}.{key}" for key in raw if key not in fields]


def test_every_key_is_known_to_prefect() -> None:
    """On all levels: a misspelt concurrency limit would deploy and not hold."""
    wrong = unknown_keys({key: 0 for key in PROJECT if key != "definitions"}, _models.PrefectYamlModel, "prefect.yaml")
    for deployment in DEPLOYMENTS:
        where = deployment["name"]
        wrong += unknown_keys(deployment, _models.DeploymentConfig, where)
        wrong += unknown_keys(deployment["work_pool"], _models.WorkPoolConfig, f"{where}.work_pool")
        wrong += unknown_keys(
            deployment.get("concurrency_limit", {}), _models.ConcurrencyLimitSpec, f"{where}.concurrency_limit"
        )
        for schedule in deployment["schedules"]:
            wrong += unknown_keys(schedule, _models.RawScheduleConfig, f"{where}.schedules")
    assert wrong == []


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: str(deployment["name"]))
def test_a_deployment_names_a_flow_and_parameters_that_exist(deployment: dict[str, Any]) -> None:
    """Dotted entrypoints; parameters of the deployment and of each schedule are the flow's."""
    module, _, name = deployment["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    known = set(inspect.signature(flow.fn).parameters)
    assert set(deployment["parameters"]) <= known
    for schedule in deployment["schedules"]:
        assert set(schedule.get("parameters", {})) <= known
        assert schedule["timezone"]
    assert deployment["work_pool"]["name"] == "runbooks"
    assert flow.retries == 0  # a failed state that a flow returns is not tried again, and the run would wait for that
    assert "RunbookError" in inspect.getclosurevars(flow.fn).globals, "decorate it with @ends_in_words"
    if "locked(" not in inspect.getsource(flow.fn):  # else what excludes its runs is the cluster's lock
        assert deployment["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "deployments/automations").glob("*.yaml")), ids=lambda file: str(file.name)
)
def test_an_automation_that_knows_failures_knows_refusals(file: Path) -> None:
    """The name of an event is the name of a state: a list of names misses runs that end as Refused or Skipped."""
    for automation in yaml.safe_load(file.read_text())["automations"]:
        AutomationCore.model_validate(automation)
        expected = set(automation["trigger"].get("expect", []))
        assert ("prefect.flow-run.Failed" in expected) <= ("prefect.flow-run.Refused" in expected)
