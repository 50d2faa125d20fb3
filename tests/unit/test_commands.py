"""Commands that plans, reports and errors name: the command line reads each of them."""

import importlib
import re
import shlex
from contextlib import nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cyclopts import CycloptsError, MissingArgumentError

from flows.certificate_issue import certificate_issue
from flows.node_drain import node_drain
from flows.rolling_upgrade import rolling_upgrade
from flows.workload_rollback import workload_rollback
from flows.workload_rollout import workload_rollout
from kube_runbooks.app import app
from kube_runbooks.catalog import Entry, runbooks
from kube_runbooks.options import arguments_of, options_of
from kube_runbooks.usage import EXAMPLES, example_of
from tasks.certificate_issue.models import IssueRequest
from tasks.core.commands import AGAIN, CLUSTER, filled, option_of, run_command, same_command
from tasks.core.models.plan import Mode
from tasks.drain.models import DrainOptions
from tasks.node_work.models.waves import Waves
from tasks.upgrade.models.upgrade import UpgradeOptions
from tasks.workloads.models.changes import Change


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        ("node_uncordon", ("prod", "w1", "--reason=x", "--mode=apply")),
        ("ca_rotation", ("prod", "ca", "trust-both")),
        ("etcd_restore_from_s3", ("prod", "--rollback", "--lost=cp2", "--lost=cp3", "--mode=apply", "--confirm=prod")),
        ("etcd_restore_from_s3", ("prod", "--backup=latest", "--mode=apply", "--confirm=prod")),
        ("etcd_restore_drill", ("prod", "--backup=20261123T120000Z-4711-0a1b2c3d-4e5f-7061-8293-a4b5c6d7e8f9")),
        ("cert_rotation", ("prod", "--mode=apply")),
        ("node_reboot", ("prod", "w1", "--reason=x", "--mode=apply")),
        ("node_os_patch", ("prod", "--mode=apply")),
        ("workload_history", ("prod", "shop")),
        ("workload_status", ("prod", "shop", "--workloads=deployment/web")),
        ("workload_rollback", ("prod", "shop", "--workloads=deployment/web", "--reason=x", "--to=3", "--mode=apply")),
        ("workload_rollout", ("prod", "--changes=namespace=shop,workload=deploy/web,images=main=web:2", "--reason=x")),
    ],
)
def test_a_command_that_people_are_shown_can_be_typed(flow: str, words: tuple[str, ...]) -> None:
    """It names a runbook and options that exist."""
    typed = run_command(flow, *words).removeprefix("kube-runbooks ")
    command, _, _ = app.parse_args(typed, exit_on_error=False, print_error=False)
    assert command.__name__ == flow


def _commands() -> list[tuple[str, ...]]:
    """Every command, and every runbook under `run` and `start`."""
    of_runbooks = [(verb, one.command) for verb in ("run", "start") for one in runbooks()]
    alone = ("approve", "deny", "check", "init", "deploy", "backups", "reports", "report", "completion")
    of_access = [("access", name) for name in ("who-can", "can-i", "matrix")]
    of_resources = [("resources", name) for name in ("list", "show", "diff")]
    of_volumes = [("volumes", name) for name in ("list", "show")]
    return [*of_runbooks, *((name,) for name in alone), ("backups", "show"), *of_access, *of_resources, *of_volumes]


@pytest.mark.parametrize("chain", _commands(), ids=" ".join)
def test_the_example_of_a_usage_error_can_be_typed(chain: tuple[str, ...]) -> None:
    """It has each argument that the command needs; so its own error has one for each command."""
    with pytest.raises(CycloptsError) as error:
        app.parse_args([*chain, "--nosuch-option"], exit_on_error=False, print_error=False)
    assert error.value.target
    example = example_of(chain, error.value.target)
    assert example.startswith(f"kube-runbooks {' '.join(chain)}")
    app.parse_args(example.removeprefix("kube-runbooks "), exit_on_error=False, print_error=False)


SHOWN = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*kube-runbooks (?P<words>.*)$")
NAMED = 2
"""Words of a command that a sentence only names: `run etcd-backup`."""

PLACES = {"RUNBOOK": "etcd-backup", "RUN": EXAMPLES["run"], "BACKUP": EXAMPLES["backup"], "ID": EXAMPLES["backup"]}
ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


def _shown_commands() -> list[tuple[str, str]]:
    """Each command line of the pages, in a block or between backquotes, without its comment."""
    found = [
        (page.name, match["words"])
        for page in PAGES
        for line in _code_in(page.read_text())
        if (match := SHOWN.match(line.strip().partition(" #")[0].strip()))
    ]
    return list(dict.fromkeys(found))


def _code_in(text: str) -> list[str]:
    text = text.replace("\\\n", " ")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return [*blocks.splitlines(), *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


@pytest.mark.parametrize("words", [pytest.param(words, id=f"{page}: {words}") for page, words in _shown_commands()])
def test_each_command_of_the_pages_can_be_typed(words: str) -> None:
    """README and docs: the parser reads it, with an example for each place holder; `...` and `…` stand for options."""
    first = words.partition(" | ")[0]
    typed = [PLACES.get(word, word) for word in shlex.split(first) if word not in {"...", "…"}]
    if typed[:1] == ["--install-completion"]:
        return
    # A sentence may name a command without what it needs, such as `kube-runbooks approve`.
    is_named = len(typed) <= NAMED
    with suppress(MissingArgumentError) if is_named else nullcontext():
        app.parse_args(typed, exit_on_error=False, print_error=False)


def test_pages_do_show_commands() -> None:
    """The test above has something to read."""
    assert len(_shown_commands()) > 30


def test_an_element_of_several_fields_is_one_word() -> None:
    """The machines of a request; what cannot be read is left to the request's own validation, which names the field."""
    options = options_of(certificate_issue.fn, {})
    machines = options["request_control_planes"]
    assert machines.shown_help.endswith("; each as name=...,address=...")
    given = {
        "cluster": "prod",
        "request_version": "1.37.2",
        "request_endpoint": "api.example.org:6443",
        "request_control_planes": ["name=cp1,address=192.0.2.11", "name=cp2,address=fd00::12"],
    }
    request = IssueRequest.model_validate(arguments_of(options, given)["request"])
    assert [(one.name, str(one.address)) for one in request.control_planes] == [
        ("cp1", "192.0.2.11"),
        ("cp2", "fd00::12"),
    ]
    wrong = arguments_of(options, given | {"request_control_planes": ["cp1"]})["request"]
    with pytest.raises(ValueError, match="control_planes"):
        IssueRequest.model_validate(wrong)


@pytest.mark.parametrize("entry", runbooks(), ids=lambda entry: entry.command)
def test_an_option_is_named_by_one_rule(entry: Entry) -> None:
    """Hints and the command line have the same names."""
    function = getattr(importlib.import_module(f"flows.{entry.flow}"), entry.flow).fn
    for name, option in options_of(function, {}).items():
        assert option_of(option.path) == f"--{name.replace('_', '-')}"


def test_two_parameters_with_the_same_option_are_an_error() -> None:
    """A hint would set one of them, and nobody knows which."""

    def flow(drain: DrainOptions, options: DrainOptions, drain_force: bool = False) -> None:  # noqa: FBT001, FBT002
        del drain, options, drain_force

    with pytest.raises(ValueError, match="two parameters have the same option: drain_force"):
        options_of(flow, {})


def test_a_run_can_be_typed_again() -> None:
    """Without what is a default anyway; the mode is said by the text that has the command."""
    given: dict[str, Any] = {
        "cluster": "prod",
        "version": "1.37.2",
        "mode": Mode.APPLY,
        "options": UpgradeOptions(
            nodes=("w1", "w2"),
            waves=Waves(max_unavailable="25%", canary=False),
            drain=DrainOptions(timeout=timedelta(minutes=20), force=True),
        ),
    }
    again = same_command(rolling_upgrade.fn, given)
    assert again == (
        "kube-runbooks run rolling-upgrade prod 1.37.2 --nodes=w1 --nodes=w2 --max-unavailable=25% --no-canary --force --timeout=20m"
    )
    whole = same_command(rolling_upgrade.fn, given, verb="start", without=())
    assert whole.startswith("kube-runbooks start rolling-upgrade prod 1.37.2 --mode=apply --nodes=w1 ")
    app.parse_args(shlex.split(whole)[1:], exit_on_error=False, print_error=False)


def test_a_reason_and_a_machine_are_one_word() -> None:
    """As a shell reads them."""
    given: dict[str, Any] = {"cluster": "prod", "node": "w1", "reason": "its disk is failing", "ticket": ""}
    assert same_command(node_drain.fn, given) == "kube-runbooks run node-drain prod w1 'its disk is failing'"
    request = IssueRequest.model_validate(
        {
            "version": "1.37.2",
            "endpoint": "api.example.org:6443",
            "control_planes": [{"name": "cp1", "address": "192.0.2.11"}],
        }
    )
    typed = same_command(certificate_issue.fn, {"cluster": "prod", "request": request})
    assert "--request-control-planes=name=cp1,address=192.0.2.11" in typed


def test_a_list_is_an_option_and_what_follows_it_is_too() -> None:
    """A command that is read by the command gives the same parameters."""
    changes = (
        Change(
            namespace="shop",
            workload="deployment/web",
            images={"main": "shop/web:2"},
            env={"LEVEL": "debug", "OLD": None},
        ),
        Change(namespace="shop", workload="deployment/api", group=2, restart=True),
    )
    typed = same_command(workload_rollout.fn, {"cluster": "prod", "changes": changes, "reason": "prices"})
    assert typed == (
        "kube-runbooks run workload-rollout prod "
        "'--changes=namespace=shop,workload=deployment/web,images=main=shop/web:2,env=LEVEL=debug;OLD-' "
        "--changes=namespace=shop,workload=deployment/api,group=2,restart=True --reason=prices"
    ).replace("'--changes=", "--changes='")
    _, bound, _ = app.parse_args(shlex.split(typed)[1:], exit_on_error=False, print_error=False)
    words = arguments_of(options_of(workload_rollout.fn, {}), {"changes": bound.arguments["changes"]})["changes"]
    assert tuple(Change.model_validate(one) for one in words) == changes
    undo = {"cluster": "prod", "namespace": "shop", "workloads": ("deployment/web",), "reason": "it fails"}
    assert same_command(workload_rollback.fn, undo) == (
        "kube-runbooks run workload-rollback prod shop --workloads=deployment/web --reason='it fails'"
    )


def test_what_a_rule_does_not_know_is_filled_in() -> None:
    """In commands alone: the word may be in the text of another program."""
    text = f"CLUSTER: run `{run_command('etcd_health', CLUSTER)}`, then {AGAIN} --mode=apply --confirm={CLUSTER}"
    assert filled(text, "prod", "kube-runbooks run etcd-restore prod") == (
        "CLUSTER: run `kube-runbooks run etcd-health prod`, then kube-runbooks run etcd-restore prod --mode=apply --confirm=prod"
    )
    assert filled("kube-runbooks reports CLUSTER", "prod") == "kube-runbooks reports prod"
    assert filled(AGAIN, "prod") == AGAIN
