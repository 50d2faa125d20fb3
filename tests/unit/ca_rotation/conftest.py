"""Nodes and a cluster on folders of a test."""

from pathlib import Path

import pytest

from tests.facts.ca_cluster import World
from tests.facts.ca_nodes import Node


@pytest.fixture
def node(tmp_path: Path, kubeadms_files: Path) -> Node:
    """As kubeadm leaves a control plane node."""
    return Node(tmp_path, kubeadms_files)


@pytest.fixture
def world(tmp_path: Path, kubeadms_files: Path) -> World:
    """Two control planes and two workers, before a rotation."""
    return World(tmp_path, kubeadms_files)
