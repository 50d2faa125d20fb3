"""For tests of scripts that work on a node's files."""

from pathlib import Path

import pytest

from tests.servers.kubeadm_pki import KubeadmPki


@pytest.fixture(scope="session")
def kubeadms_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as kubeadm makes it: a dozen keys, which take their time. To be copied."""
    made = KubeadmPki(tmp_path_factory.mktemp("kubeadm"), controlPlaneEndpoint="api.example.org:6443")
    made.make_all()
    return made.folder
