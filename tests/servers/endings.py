"""A runbook that ends as it is told to: ends that no real one comes to by itself are tried with it, on a real worker."""

from typing import Any

from prefect import Flow, flow, task
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger

from tasks.core.errors import NotYet, Refused
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook

PROBLEM = "cp1: a rule says no, with the number 4711"
HINT = "choose another node"


def on_failure(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A hook of the site's own."""
    flow_run_logger(flow_run, flow).info("the hook saw %s of type %s", state.name, state.type.value)


@task
def act(how: str) -> None:
    """Fails, or does nothing."""
    if how == "refused":
        raise Refused(PROBLEM, hint=HINT)
    if how == "timed out":
        raise NotYet("cp1: not ready after 10 min", hint="check its kubelet")
    if how == "unexpected":
        raise ZeroDivisionError(how)


@ends_in_words
@flow(name="endings", flow_run_name="endings-{cluster}", on_failure=[on_failure], **RUNBOOK)
def endings(cluster: ClusterName, how: str) -> Report:
    """Ends so.

    Args:
        cluster: name of the cluster's profile
        how: refused, timed out, unexpected, skipped or completed
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(act, how)
        return (
            run.skip("no maintenance window is open", "the next one opens at 22:00")
            if how == "skipped"
            else run.finish(how)
        )
