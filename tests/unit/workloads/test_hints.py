"""The commands that findings and errors of workloads name, with the cluster of the run."""

from collections.abc import Callable

import pytest

from tasks.core.commands import filled
from tasks.workloads.models.names import Ref
from tasks.workloads.policy.hints import history_shows, rollback_puts_back, status_says_why

WEB = Ref.of("shop", "deployment/web")


@pytest.mark.parametrize(
    ("hint", "command"),
    [
        (status_says_why, "workload-status prod shop --workloads=deployment/web` says why"),
        (lambda ref: history_shows(ref, "who"), "workload-history prod shop --workloads=deployment/web` shows who"),
        (rollback_puts_back, "workload-rollback prod shop 'undo a rollout' --workloads=deployment/web` shows how"),
    ],
)
def test_a_hint_is_a_command_for_this_workload(hint: Callable[[Ref], str], command: str) -> None:
    """An operator types it as it is."""
    assert filled(hint(WEB), "prod").startswith(f"`kube-runbooks run {command}")
