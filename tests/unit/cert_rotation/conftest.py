"""Nodes for the tests of a rotation."""

from pathlib import Path

import pytest

from tests.facts.rotation_machine import Machine
from tests.facts.rotation_node import World


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One for a test."""
    return Machine(tmp_path)


@pytest.fixture
def world() -> World:
    """One for a test."""
    return World()
