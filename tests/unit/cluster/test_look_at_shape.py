"""The question about a node's shape, run for real on a folder."""

from pathlib import Path, PurePosixPath

from tasks.cluster import shapes
from tasks.core.probes import node_shape
from tasks.core.shell import script
from tests.facts.node_folder import NodeFolder
from tests.facts.shapes import CONFIG

MANIFEST = "spec: {containers: [{command: [kube-scheduler, '--config=/etc/kubernetes/its own.yaml']}]}"


def looked_at(folder: NodeFolder, places: node_shape.Places) -> bytes:
    """What the node says."""
    done = folder.run(script(shapes.__file__, "look_at_shape", parked=places.parked, **places.model_dump()))
    assert done.returncode == 0, done.stderr
    return done.stdout.encode()


def test_the_configuration_of_a_static_pod_is_read_by_the_second_look(tmp_path: Path) -> None:
    """Where it is; a name with a space is one name."""
    folder = NodeFolder(tmp_path)
    folder.program("systemctl")
    folder.program("hostname", "echo cp1")
    folder.program("realpath", 'echo "$2"')
    folder.file("/var/lib/kubelet/config.yaml", CONFIG)
    folder.file("/etc/kubernetes/manifests/kube-scheduler.yaml", MANIFEST)
    first = node_shape.places_at_first(PurePosixPath("/etc/kubernetes"))
    told = node_shape.places_told(looked_at(folder, first), first)
    assert told.pod_configs == "kube-scheduler /etc/kubernetes/its own.yaml"
    absent = node_shape.parse("cp1", looked_at(folder, told), told).pods["kube-scheduler"]
    assert absent.config_problem
    folder.file("/etc/kubernetes/its own.yaml", "clientConnection: {kubeconfig: /srv/k.conf}")
    found = node_shape.parse("cp1", looked_at(folder, told), told).pods["kube-scheduler"]
    assert found.kubeconfig == PurePosixPath("/srv/k.conf")
