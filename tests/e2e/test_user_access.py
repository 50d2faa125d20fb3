"""`user_access` and `user_revoke` on a kubeadm cluster: from a policy to a kubectl that works, and back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyrage import x25519

from tasks.backup.archive import unseal
from tests.e2e.site import LabSite
from tests.servers.binaries import kubernetes_binaries

IDENTITY = x25519.Identity.generate()
POLICY = {
    "users": [
        {
            "name": "ada",
            "can": [{"verbs": ["get", "list"], "resources": ["pods"], "namespaces": ["kube-public"]}],
            "cannot": [{"verbs": ["get", "list"], "resources": ["secrets"]}],
            "access": {"recipient": str(IDENTITY.to_public()), "lifetime": "1h"},
        }
    ]
}


@pytest.fixture
def policed(small: LabSite) -> Iterator[LabSite]:
    """With a policy, for this test alone."""
    small.write_policy(POLICY)
    yield small
    small.write_policy(None)


def ask(config: Path, *words: str) -> str:
    """What kubectl says to the owner of a kubeconfig."""
    command: list[str | Path] = [kubernetes_binaries() / "kubectl", f"--kubeconfig={config}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_a_user_gets_a_kubeconfig_that_works_and_loses_it(policed: LabSite, tmp_path: Path) -> None:
    """It is in the bucket, for the user alone. kubectl can do what the policy says, and after the revocation nothing."""
    assert policed.run("user_access", user="ada", mode="apply")["outcome"] == "completed"
    [sealed] = [key for key in policed.keys(f"{policed.name}/access/ada/") if key.endswith(".age")]
    config = tmp_path / "ada.conf"
    config.write_bytes(unseal(policed.read(sealed), str(IDENTITY)))
    config.chmod(0o600)
    assert "system:serviceaccount:kube-runbooks-access:" in ask(config, "auth", "whoami")
    assert "No resources found in kube-public namespace." in ask(config, "-n", "kube-public", "get", "pods")
    assert "Forbidden" in ask(config, "get", "secrets")
    assert "Forbidden" in ask(config, "-n", "kube-system", "get", "pods")
    assert policed.leaked_keys() == []
    assert policed.run("user_revoke", user="ada", mode="apply")["outcome"] == "completed"
    assert "Unauthorized" in ask(config, "-n", "kube-public", "get", "pods")
    assert policed.run("user_revoke", user="ada", mode="apply")["outcome"] == "skipped"
