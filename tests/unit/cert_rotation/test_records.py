"""What an earlier run has left on a node, read by a real shell."""

from pathlib import Path

import pytest

from tasks.cert_rotation.probes import records
from tests.facts.rotation_machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One for a test."""
    return Machine(tmp_path)


def test_a_record_that_cannot_be_understood_is_no_node_without_one(machine: Machine) -> None:
    """Cut off, or of another version."""
    machine.work.mkdir()
    (machine.work / "record.json").write_text('{"run_id": "x"')
    left = records.parse_left("cp1", machine.shell(records.look_at_record()).stdout)
    assert left.record is None
    assert "cannot be understood" in left.unreadable
