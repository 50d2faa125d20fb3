"""What a machine has to say after a patch that failed."""

from tasks.core.models.folders import PATCHES
from tasks.core.shell import script


def evidence() -> str:
    """The question: systemd, failed units, packages, kubelet and boots, for people."""
    return script(__file__, "evidence", patches=PATCHES)
