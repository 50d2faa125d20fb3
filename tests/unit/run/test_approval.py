"""What an approval holds for: every field of a plan is covered or left out, and what a person would want to know is in the digest."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prefect import Flow

import flows
import tasks
from tasks.core.models.base import Model
from tasks.core.models.plan import Caution, Line, Plan, Refusal, Skip, Step, figure, without_figures
from tasks.core.models.profile import ClusterProfile
from tasks.drain.models import DrainForecast, DrainOptions, Treatment, Verdict
from tasks.drain.policy.findings import evicted_by, findings_of_drain
from tasks.etcd.models import Worth
from tasks.run.policy.approval import (
    PARAMETERS,
    PARAMETERS_LEFT_OUT,
    approved_of,
    covered,
    digest_of,
    is_part_of,
    left_out_of,
    settled,
    terms_of,
    what_is_worse,
)
from tasks.upgrade.models.upgrade import UpgradeOptions, UpgradePlan

quick = settings(deadline=None, max_examples=30)
PROFILE: dict[str, Any] = {
    "name": "prod",
    "nodes": [{"name": "cp1", "address": "10.0.0.1"}],
    "ssh": {"user": "ops", "key": "file:/key", "known_hosts": "/known"},
    "store": {"bucket": "backups"},
}


# --- the table


def below(model: type[Any]) -> list[type[Any]]:
    """All that inherit from it."""
    for module in pkgutil.walk_packages(tasks.__path__, "tasks."):
        if not module.name.startswith("tasks.clients."):
            importlib.import_module(module.name)
    found, waiting = [], [model]
    while waiting:
        waiting += (more := waiting.pop().__subclasses__())
        found += [one for one in more if one.__module__.startswith("tasks.")]
    return found


def runbooks() -> list[Flow[..., Any]]:
    """All of them."""
    modules = [importlib.import_module(one.name) for one in pkgutil.iter_modules(flows.__path__, "flows.")]
    return [one for module in modules for one in vars(module).values() if isinstance(one, Flow)]


def models_in(annotation: object) -> Iterator[type[Model]]:
    """Models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def every_model() -> list[type[Model]]:
    """Plans, options and parameters of flows, the profile, and what they have inside, as far as it is covered."""
    parameters = [one.annotation for run in runbooks() for one in inspect.signature(run.fn).parameters.values()]
    options = [one for one in below(Model) if one.__name__.endswith("Options")]
    waiting: list[type[Model]] = [Plan, *below(Plan), *below(Line), ClusterProfile, *options]
    waiting += [one for annotation in parameters for one in models_in(annotation)]
    found: list[type[Model]] = []
    while waiting:
        model = waiting.pop()
        if model in found:
            continue
        found.append(model)
        inside = (one.annotation for name, one in model.model_fields.items() if name not in left_out_of(model))
        waiting += [one for annotation in inside for one in models_in(annotation)]
    return sorted(found, key=lambda model: model.__name__)


def names_in(column: str, model: type[Model]) -> list[str]:
    """Of its own fields, and those that it inherits."""
    return [name for one in model.__mro__ for names in vars(one).get(column, {}) for name in names.split()]


@pytest.mark.parametrize("model", every_model(), ids=lambda model: model.__name__)
def test_every_field_is_covered_or_left_out_and_has_a_reason(model: type[Model]) -> None:
    """A new field needs a word in `COVERED` or `LEFT_OUT` of its model."""
    columns = names_in("COVERED", model) + names_in("LEFT_OUT", model)
    assert sorted(columns) == sorted(set(columns)), "a field in both columns, or twice in one"
    assert set(columns) == set(model.model_fields), f"{model.__name__}: put each field into one of the columns"


def test_the_table_has_no_field_that_is_none_and_no_empty_reason() -> None:
    """What is no field any more goes, and what is in no plan."""
    tables = {one: vars(one).get("COVERED", {}) | vars(one).get("LEFT_OUT", {}) for one in [Model, *below(Model)]}
    assert {one for one, table in tables.items() if table} == {*every_model(), Line}
    reasons = [reason for table in tables.values() for reason in table.values()]
    assert all([*reasons, *PARAMETERS.values(), *PARAMETERS_LEFT_OUT.values()])


@pytest.mark.parametrize("runbook", runbooks(), ids=lambda runbook: runbook.name)
def test_every_parameter_of_a_flow_is_in_one_column(runbook: Flow[..., Any]) -> None:
    """Prefect has them with the run; settle takes them from there."""
    columns = [name for table in (PARAMETERS, PARAMETERS_LEFT_OUT) for names in table for name in names.split()]
    assert sorted(columns) == sorted(set(columns))
    assert set(inspect.signature(runbook.fn).parameters) <= set(columns)


# --- what makes it another plan


def profile(**changes: Any) -> ClusterProfile:  # noqa: ANN401 - fields of the profile
    """Of one node."""
    return ClusterProfile.model_validate(PROFILE | changes)


def digest(plan: Plan, found: ClusterProfile | None = None, parameters: Mapping[str, object] | None = None) -> str:
    """Of a settled plan."""
    return settled(plan, "x", {"cluster": "prod"} | dict(parameters or {}), found or profile()).digest


def losing(*owners: str, loss: str = "the content of its emptyDir data is lost", node: str = "w1") -> Plan:
    """A drain that evicts a pod of each of these for good."""
    verdicts = tuple(
        Verdict(pod=f"{one}{n}", uid=str(n), treatment=Treatment.EVICT_FOR_GOOD, owner=one, loss=loss)
        for n, one in enumerate(owners)
    )
    forecast = DrainForecast(node=node, verdicts=verdicts)
    cautions = tuple(one for one in findings_of_drain(node, forecast) if isinstance(one, Caution))
    step = Step(subject="w1", act="drain", reason="x")
    return Plan(steps=(step,), cautions=cautions, evicts=evicted_by([forecast]))


def test_what_is_lost_is_in_the_digest_all_of_it() -> None:
    """By controller: which of its pods it is does not matter; an eleventh one does."""
    bare = Plan(steps=losing().steps)
    eleven = [f"db/pg{number}-*" for number in range(11)]
    plans = [
        bare,
        losing("db/postgres-*"),
        losing("db/postgres-*", loss="it is gone"),
        losing(*eleven),
        losing(*eleven[:10]),
    ]
    assert len({digest(plan) for plan in plans}) == len(plans)
    assert digest(losing("db/postgres-*", "db/postgres-*")) == digest(losing("db/postgres-*"))
    assert digest(losing("db/postgres-*", node="w2")) == digest(losing("db/postgres-*")), "its pod has moved"
    assert what_is_worse(losing("db/postgres-*"), approved_of(bare)) == (
        "evicts db/postgres-* for good (the content of its emptyDir data is lost)",
    )
    assert losing("db/postgres-*").cautions[0].problem == (
        "evicted for good (the content of its emptyDir data is lost): db/postgres-*"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"upgrade": {"ignore_preflight_errors": ["all"]}},
        {"nodes": [{"name": "cp1", "address": "10.0.0.2"}]},
        {"kubeadm": {"folder": "/srv/kubernetes"}},
        {"maintenance": {"windows": [{"from": "22:00", "to": "04:00"}]}},
        {"maintenance": {"protect": ["nvidia-driver"]}},
        {"gates": [{"name": "g", "command": "true", "on": "cp1"}]},
        {"workloads": {"gates": [{"name": "g", "command": "true", "on": "cp1"}]}},
        {"certificates": {"kubeconfigs": [{"path": "/root/.kube/config"}]}},
        {"store": {"bucket": "others"}},
        {"backup": {"retention": {"last": 1}}},
    ],
)
def test_another_profile_is_another_question(changes: dict[str, Any]) -> None:
    """Where it says what is done, not how the worker gets in."""
    assert digest(Plan(), profile(**changes)) != digest(Plan())


@pytest.mark.parametrize(
    "changes",
    [
        {"ssh": PROFILE["ssh"] | {"key": "file:/other", "gateway": {"address": "bastion"}}},
        {"store": {"bucket": "backups", "access_key": "env:A", "secret_key": "env:B"}},
        {"backup": {"rpo": "1h"}},
        {"certificates": {"warn_before": "60d"}},
    ],
)
def test_how_the_worker_gets_in_is_no_question(changes: dict[str, Any]) -> None:
    """Nor when a person is warned."""
    assert digest(Plan(), profile(**changes)) == digest(Plan())


def test_parameters_are_in_the_digest_and_in_the_question() -> None:
    """But the mode and how long the answer is waited for."""
    base: dict[str, object] = {"options": UpgradeOptions(), "allow_downtime": False}
    before = digest(Plan(), parameters=base)
    changes: tuple[dict[str, object], ...] = (
        {"options": UpgradeOptions(drain=DrainOptions(force=True))},
        {"allow_downtime": True},
        {"worth": Worth(reclaimable_mib=1)},
        {"cluster": "staging"},
        {"ticket": "INC-8"},
    )
    for change in changes:
        assert digest(Plan(), parameters=base | change) != before
    assert digest(Plan(), parameters=base | {"mode": "approve", "approve_within": timedelta(hours=1)}) == before
    told = {one.name: one.value for one in terms_of("rolling_upgrade", base, profile())}
    assert told["runbook"] == "rolling_upgrade"
    assert told["allow_downtime"] == "false"
    assert "backup_age=1h" in told["options"]
    assert "drain.force=false" in told["options"]
    assert told["profile: nodes"] == "name=cp1, address=10.0.0.1, port=22"
    assert not any("file:/key" in value for value in told.values())


def test_no_two_values_have_the_same_words() -> None:
    """A gate may have any command."""
    one = profile(gates=[{"name": "g", "command": "true", "on": "cp1"}])
    two = profile(gates=[{"name": "g", "command": "true, on=cp1", "on": "cp1"}])
    assert len({term.value for term in terms_of("x", {}, one)} ^ {term.value for term in terms_of("x", {}, two)}) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": (Step(subject="a", act="restart", reason="it is old"),)},
        {"steps": (Step(subject="a", act="reboot", reason="it is new"),)},
        {"skips": (Skip(subject="b", reason="not reached"),)},
        {"cautions": (Caution(subject="c", problem="it is slow"),)},
        {"cautions": (Caution(subject="c", problem="it is dead"),)},
        {"refusals": (Refusal(subject="d", problem="no", next_step=""),)},
        {"evicts": ("db/postgres-*",)},
    ],
)
def test_each_line_of_a_plan_counts(changes: dict[str, Any]) -> None:
    """With its reason."""
    base = Plan(
        steps=(Step(subject="a", act="restart", reason="it is new"),),
        skips=(Skip(subject="b", reason="it is well"),),
        cautions=(),
    )
    assert digest(base.model_copy(update=changes)) != digest(base)
    assert digest(base.model_copy(update={"digest": "x"})) == digest(base)


def test_fields_of_a_kind_of_plan_count() -> None:
    """Also where no step shows them."""
    assert digest(UpgradePlan(ignored=("all",))) != digest(UpgradePlan())


# --- figures

texts = st.text(st.characters(codec="utf-8"), max_size=8)


@quick
@example("", "", "", "<")
@given(texts, texts, texts, texts)
def test_a_figure_is_shown_and_holds_whatever_it_is(before: str, after: str, one: str, other: str) -> None:
    """All around it counts; no mark is left in what people read."""
    lines = [Step(subject="a", act="b", reason=f"{before}{figure(value)}{after}") for value in (one, other)]
    assert [line.reason for line in lines] == [f"{before}{one}{after}", f"{before}{other}{after}"]
    assert lines[0].basis == lines[1].basis == f"{before}…{after}"
    assert Step(subject="a", act="b", reason=f"{before}{after}").basis == before + after
    assert without_figures(figure(f"{before}{figure(one)}")) == "…"
    assert Step.model_validate_json(lines[0].model_dump_json()) == lines[0]


def test_digits_that_are_no_figures_count() -> None:
    """A version is no figure, nor is what is lost."""
    plans = [
        Plan(cautions=(Caution(subject="a", problem=f"{told}"),)) for told in ("v1.36", "v1.37", "1 pod", "10 pods")
    ]
    assert len({digest_of(plan) for plan in plans}) == 4


# --- a part of what was approved, and what is worse

acts = st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, min_size=1)


def of(steps: list[str], cautions: list[str], evicts: tuple[str, ...] = ()) -> Plan:
    """A settled plan."""
    plan = Plan(
        steps=tuple(Step(subject=one, act="reboot", reason=f"for {figure(len(steps))} min") for one in steps),
        skips=tuple(Skip(subject=one, reason="it has it") for one in {"a", "b", "c", "d"} - set(steps)),
        cautions=tuple(Caution(subject=one, problem=f"{figure(len(steps))} s late") for one in cautions),
        evicts=evicts,
    )
    return settled(plan, "x", {}, profile())


@quick
@given(acts, acts, acts, acts)
def test_only_what_was_approved_is_a_part_of_it(
    steps: list[str], approved: list[str], cautions: list[str], known: list[str]
) -> None:
    """A step more or another caution is another question; figures are none, the order is none, and what is done is a skip."""
    is_part = set(steps) <= set(approved) and set(cautions) <= set(known)
    assert is_part_of(of(steps, cautions), approved_of(of(approved, known))) == is_part


def test_a_step_that_was_approved_once_is_not_approved_twice() -> None:
    """Nor is another act of the same node."""
    once = of(["a", "b"], [])
    twice = once.model_copy(update={"steps": once.steps * 2})
    other = Step(subject="a", act="drain", reason=once.steps[0].reason)
    assert not is_part_of(twice, approved_of(once))
    assert not is_part_of(once.model_copy(update={"steps": (other,)}), approved_of(once))


def test_a_part_under_other_terms_is_another_question() -> None:
    """And one that evicts somebody else."""
    whole = of(["a", "b"], [], ("shop/web-*",))
    assert is_part_of(of(["b"], []), approved_of(whole))
    assert not is_part_of(of(["b"], [], ("db/pg-*",)), approved_of(whole))
    other = settled(of(["b"], []), "x", {"allow_downtime": True}, profile())
    assert not is_part_of(other, approved_of(whole))
    assert what_is_worse(of(["b"], ["z"], ("db/pg-*",)), approved_of(whole)) == ("z: 1 s late", "evicts db/pg-*")


def test_a_later_step_of_a_chain_was_announced_with_its_versions() -> None:
    """Newer patches that came meanwhile were not."""
    first = UpgradePlan(version="1.36.3", hops=("1.36.3", "1.37.2", "1.38.0"))
    assert UpgradePlan(version="1.37.2", hops=("1.37.2", "1.38.0")).was_announced_by(first)
    assert not UpgradePlan(version="1.37.3", hops=("1.37.3", "1.38.0")).was_announced_by(first)
    assert not UpgradePlan(version="1.38.0").was_announced_by(first)
    assert UpgradePlan(version="1.38.0").was_announced_by(UpgradePlan(version="1.37.2", hops=("1.37.2", "1.38.0")))
    assert not UpgradePlan(version="1.36.3").was_announced_by(UpgradePlan(version="1.36.3"))
    assert not UpgradePlan(version="1.36.3").was_announced_by(Plan())
    assert not Plan().was_announced_by(first)


def test_what_a_table_has_counts_by_name_and_nothing_counts_as_if_it_were_not_there() -> None:
    """A runbook that gets a parameter more, which is left empty, has the same terms."""
    assert covered({"w1": {"since": None, "drain": [1]}, "w2": {}, "w3": ""}) == {"w1": {"drain": [1]}}
