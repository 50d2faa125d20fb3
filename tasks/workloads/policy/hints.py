"""Names the commands that show a workload, or put it back, for the next step of a finding or an error."""

from tasks.core.commands import CLUSTER, run_command
from tasks.workloads.models.names import Ref


def status_says_why(ref: Ref) -> str:
    """Returns the command that says why a workload is not finished."""
    command = run_command("workload_status", CLUSTER, ref.namespace, f"--workloads={ref.workload}")
    return f"`{command}` says why"


def history_shows(ref: Ref, what: str) -> str:
    """Returns the command that lists the revisions of a workload, for example `history_shows(ref, "who")`."""
    command = run_command("workload_history", CLUSTER, ref.namespace, f"--workloads={ref.workload}")
    return f"`{command}` shows {what}"


def rollback_puts_back(ref: Ref) -> str:
    """Returns the command that shows the plan of a rollback to the revision before."""
    command = run_command(
        "workload_rollback", CLUSTER, ref.namespace, "'undo a rollout'", f"--workloads={ref.workload}"
    )
    return f"`{command}` shows how it goes back"
