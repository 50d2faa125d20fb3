"""As much of an API server as tests of one Node need."""

from typing import Any

from tasks.core.errors import Refused

JSON = dict[str, Any]


class NodeApi:
    """One Node, read and changed by merge patches; each one has to know its newest version."""

    def __init__(self, name: str = "w1", *, cordoned: bool = False, **annotations: str) -> None:
        metadata = {"name": name, "resourceVersion": "1", "annotations": annotations}
        self.node: JSON = {"kind": "Node", "metadata": metadata, "spec": {"unschedulable": cordoned}, "status": {}}
        self.refuses = ""
        """With these words, whatever is asked."""

    @property
    def annotations(self) -> dict[str, str]:
        """Of the node, by what comes behind the `/`."""
        return {key.rpartition("/")[2]: value for key, value in self.node["metadata"]["annotations"].items()}

    @property
    def is_cordoned(self) -> bool:
        """It takes no new pods."""
        return bool(self.node["spec"].get("unschedulable"))

    def note(self, key: str, value: str) -> None:
        """Somebody writes an annotation."""
        self.node["metadata"]["annotations"][key] = value

    def get(self, path: str) -> JSON:
        """The node."""
        if self.refuses:
            raise Refused(self.refuses)
        assert path == f"/api/v1/nodes/{self.node['metadata']['name']}"
        return self.node

    def patch(self, path: str, body: JSON) -> JSON:
        """A merge patch."""
        node = self.get(path)
        assert body["metadata"].pop("resourceVersion") == node["metadata"]["resourceVersion"]
        for part, changes in (
            (node["metadata"]["annotations"], body["metadata"]["annotations"]),
            (node["spec"], body["spec"]),
        ):
            part.update(changes)
            for key in [key for key, value in part.items() if value is None]:
                del part[key]
        node["metadata"]["resourceVersion"] += "1"
        return node
