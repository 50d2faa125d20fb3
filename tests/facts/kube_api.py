"""As much of `KubeClient` as a rotation asks."""

from typing import Any

from tasks.cert_rotation.proof import REVIEWS
from tasks.cert_rotation.requests import CONFIGURATION
from tasks.core.errors import RunbookError
from tasks.nodes.observe import LEASES


class Api:
    """Lists of objects by their path; Leases that are renewed at each look."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.put: dict[str, Any] = {}
        self.closed = 0
        self.beats = 0
        self.configuration: Any = None
        """The ConfigMap of kubeadm."""
        self.refuses: RunbookError | None = None
        """Whoever asks who it is."""
        self.nodes: dict[str, bool] = {}
        """To whether each is Ready, and renews its Lease."""
        self.has_leaders = True

    def close(self) -> None:
        """Its connections."""
        self.closed += 1

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A review of oneself."""
        assert (path, body["kind"]) == (REVIEWS, "SelfSubjectReview")
        if self.refuses:
            raise self.refuses
        return {"status": {"userInfo": {"username": "kubernetes-admin"}}}

    def items(self, path: str, **_: str) -> list[Any]:
        """Of a list."""
        if path == LEASES:
            self.beats += 1
            return [lease(name, self.beats if fine else 0) for name, fine in self.nodes.items()]
        if path == "/api/v1/nodes" and self.nodes:
            return [node(name, ready=fine) for name, fine in self.nodes.items()]
        return list(self.objects.get(path, []))

    def find(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """A leader's Lease; one of a list."""
        if path == CONFIGURATION:
            return self.configuration
        folder, _, name = path.rpartition("/")
        if folder in self.objects:
            return next((one for one in self.objects[folder] if one["metadata"]["name"] == name), None)
        if not self.has_leaders:
            return None
        self.beats += 1
        return lease(name, self.beats)

    def replace(self, path: str, body: Any) -> None:  # noqa: ANN401 - JSON
        """An approval."""
        self.put[path] = body


def lease(name: str, renewed: int) -> dict[str, Any]:
    """Of a node, or of a leader."""
    return {"metadata": {"name": name}, "spec": {"renewTime": f"2026-11-25T12:{renewed // 60:02d}:{renewed % 60:02d}Z"}}


def node(name: str, *, ready: bool) -> dict[str, Any]:
    """As the API has it."""
    status = "True" if ready else "False"
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [{"type": "Ready", "status": status, "message": "" if ready else "gone"}],
            "nodeInfo": {"kubeletVersion": "v1.37.2"},
        },
    }
