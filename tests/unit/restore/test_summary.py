"""What people read first of a restore."""

import shlex

from tasks.restore.models import RestoreRequest
from tasks.restore.summary import rollback_command


def test_the_way_back_is_a_command_that_names_the_same_lost_nodes() -> None:
    """As a shell reads it: a list is JSON in one word."""
    begin = "prefect deployment run etcd_restore_from_s3/etcd-restore -p cluster=prod -p mode=apply -p confirm=prod"
    assert rollback_command(RestoreRequest(cluster="prod")) == f"{begin} -p rollback=true"
    words = shlex.split(rollback_command(RestoreRequest(cluster="prod", lost=("cp2", "cp3"))))
    assert words[-1] == 'lost=["cp2", "cp3"]'
