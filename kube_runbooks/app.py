"""Defines the commands of `kube-runbooks`.

Each command is imported when it is called, so `--help` and completion answer immediately.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from docstring_parser import parse_from_object

from kube_runbooks.access import access
from kube_runbooks.bucket import backups, reports, show_report
from kube_runbooks.catalog import Entry, runbooks
from kube_runbooks.check import check
from kube_runbooks.deploy import deploy
from kube_runbooks.init import init
from kube_runbooks.options import Option, arguments_of, names_of, options_of, signature_of
from kube_runbooks.outcome import OUTPUT, Exit, Output, give_up
from kube_runbooks.resources import resources
from kube_runbooks.run import as_json, choose_server, name_of_run, run_runbook
from kube_runbooks.server import Started, approve, deny, start
from kube_runbooks.usage import complain_about
from kube_runbooks.volumes import volumes

app = App(
    name="kube-runbooks",
    help="Day-2 operations of self-managed Kubernetes clusters.",
    version_flags=["--version"],
)
run = App(name="run", help="Run a runbook in this process. The default of one that changes a cluster is --mode plan.")
start_of_deployment = App(name="start", help="Start a run of a runbook's deployment, on the server of PREFECT_API_URL.")
app.command(run)
app.command(start_of_deployment)
app.command(approve)
app.command(deny)
app.command(check)
app.command(init)
app.command(deploy)

app.command(access)
app.command(backups)
app.command(reports)
app.command(resources)
app.command(volumes)
app.command(show_report, name="report")


KEY = Parameter(help="two starts with the same key are one run; default: a new one for each call")
FOLLOW = Parameter(negative="", help="show the log of the run, and end when it ends or waits for an approval")
DEPLOYMENT = Parameter(help="name of the deployment; default: the one of the cluster")


def _options(entry: Entry) -> dict[str, Option]:
    """Returns the options of a flow. It imports the flow to read them."""
    flow = getattr(importlib.import_module(f"flows.{entry.flow}"), entry.flow).fn
    return options_of(flow, {one.arg_name: one.description or "" for one in parse_from_object(flow).params})


def _to_run(entry: Entry) -> Callable[..., Exit]:
    server = choose_server()
    options = _options(entry)
    if "mode" in options:
        options["mode"] = options["mode"]._replace(default="plan")
    names = names_of(options)

    def call(*words: str, output: Output = "text", **given: Any) -> Exit:  # noqa: ANN401 - the options' own types
        given |= dict(zip(options, words, strict=False))
        if "mode" in options and given.get("mode") is None:
            given["mode"] = "plan"
        print(server, file=sys.stderr)
        return run_runbook(entry, arguments_of(options, given), output, names)

    return _command(call, entry, options, output=(Output, OUTPUT, "text"))


def _to_start(entry: Entry) -> Callable[..., Exit]:
    options = _options(entry)
    names = names_of(options)

    def call(*words: str, output: Output = "text", **given: Any) -> Exit:  # noqa: ANN401 - the options' own types
        given |= dict(zip(options, words, strict=False))
        key, deployment = given.pop("idempotency_key", None), given.pop("deployment", None)
        follow = given.pop("follow", False)
        arguments = as_json(
            entry.flow, arguments_of(options, given), names, f"kube-runbooks start {entry.command} --help"
        )
        if not isinstance(arguments, dict):
            return give_up(Exit.USAGE, arguments.problem, arguments.hint, output)
        wanted = Started(entry, arguments, key or "", deployment or "", name_of_run(entry.flow, arguments))
        return start(wanted, output, follow=follow)

    more = {
        "idempotency_key": (str | None, KEY, None),
        "deployment": (str | None, DEPLOYMENT, None),
        "follow": (bool, FOLLOW, False),
        "output": (Output, OUTPUT, "text"),
    }
    return _command(call, entry, options, **more)


def _command(
    call: Callable[..., Exit],
    entry: Entry,
    options: Mapping[str, Option],
    **more: Any,  # noqa: ANN401 - types
) -> Callable[..., Exit]:
    """Builds a command from the options of a flow and some options of the command itself.

    Each entry of `more` holds the option's type, its cyclopts parameter and its default.
    """
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, told])
        for name, (kind, told, default) in more.items()
    ]
    parameters = [*signature_of(options).parameters.values(), *own]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    call.__doc__ = entry.help
    call.__name__ = entry.flow
    return call


def __getattr__(name: str) -> Callable[..., Exit]:
    """Creates the commands of a flow, such as `run_etcd_health` and `start_etcd_health`, when they are requested."""
    verb, _, flow = name.partition("_")
    for entry in runbooks():
        if entry.flow == flow and verb in {"run", "start"}:
            return _to_run(entry) if verb == "run" else _to_start(entry)
    raise AttributeError(name)


for _entry in runbooks():
    run.command(f"kube_runbooks.app:run_{_entry.flow}", name=_entry.command, help=_entry.help)
    start_of_deployment.command(f"kube_runbooks.app:start_{_entry.flow}", name=_entry.command, help=_entry.help)


@app.command
def completion(shell: Literal["bash", "zsh", "fish"]) -> Exit:
    """Print the completion script of a shell: `source <(kube-runbooks completion bash)`.

    Args:
        shell: the shell that the script is for
    """
    print(app.generate_completion(shell=shell))
    return Exit.OK


app.register_install_completion_command(
    help="Install completion for your shell; it imports every runbook, for some seconds."
)


def main() -> None:
    """Runs the console script."""
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.exit(complain_about(error, sys.argv[1:]))
