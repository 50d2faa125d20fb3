"""One machine looked at: its own words in a real shell, or why it does not let us in."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.clients.ssh import NodeShell
from tasks.cluster import Cluster
from tasks.core.errors import CommandFailed, NotYet, Refused
from tasks.core.models.profile import MaintenanceRules
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.observe import glance_at_patch, look_at_patch
from tests.facts.patch import words
from tests.facts.patch_machine import ShellMachine

OPTIONS = PatchOptions()


def handle(answer: Any) -> Cluster:  # noqa: ANN401 - what `SshNode.run` does
    """A cluster whose node w1 answers so."""
    node: Any = SimpleNamespace(name="w1", run=answer)
    profile = SimpleNamespace(maintenance=MaintenanceRules(protect=("nvidia-driver",)))
    made = SimpleNamespace(profile=profile)
    made.shell = lambda _: NodeShell(node)
    return cast("Cluster", made)


def test_a_machine_is_asked_with_the_packages_that_its_profile_protects(tmp_path: Path) -> None:
    """By a look the package manager too, by a glance not."""
    machine = ShellMachine(tmp_path)

    def run(script: str, **_: object) -> Any:  # noqa: ANN401 - as `Output`
        done = machine.shell(script)
        return SimpleNamespace(status=done.returncode, stdout=done.stdout)

    facts = look_at_patch(handle(run), "w1", OPTIONS, refresh=False)
    assert (facts.name, facts.unreached, facts.updates.manager) == ("w1", "", PackageManager.APT)
    assert words(facts.updates.changes) == ["a 1 (new)", "b 1 to 2"]
    assert "runc cri-o nvidia-driver\n" in (machine.patches / "preferences").read_text()
    glance = glance_at_patch(handle(run), "w1", OPTIONS)
    assert (glance.boot_id, glance.updates.changes) == (facts.boot_id, ())


@pytest.mark.parametrize("error", [NotYet("no route"), Refused("no route"), CommandFailed("no route")])
def test_a_machine_that_does_not_let_us_in_is_a_fact(error: Exception) -> None:
    """Whatever the reason."""

    def run(*_: object, **__: object) -> None:
        raise error

    assert glance_at_patch(handle(run), "w1", OPTIONS).unreached == "no route"
