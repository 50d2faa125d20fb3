"""What people read first of a restore."""

from tasks.restore.models import RestoreRequest
from tasks.restore.summary import rollback_command


def test_the_way_back_is_a_command_that_names_the_same_lost_nodes() -> None:
    """Each lost node is an option of its own."""
    begin, end = "kube-runbooks run etcd-restore prod --rollback", "--mode=apply --confirm=prod"
    assert rollback_command(RestoreRequest(cluster="prod")) == f"{begin} {end}"
    lost = RestoreRequest(cluster="prod", lost=("cp2", "cp3"))
    assert rollback_command(lost) == f"{begin} --lost=cp2 --lost=cp3 {end}"
