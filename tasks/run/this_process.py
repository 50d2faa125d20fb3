"""Represents this process as an owner of a lock.

It knows its name, its clock, and which other processes of its host are certainly gone.
"""

import os
import socket
import time
from pathlib import Path
from uuid import uuid4

from tasks.run.models.lock import LockRecord, Owner, machine_of, pid_on, process_named


def owner_of(run_id: str, machine: str) -> Owner:
    """Returns this process as an owner; each call makes another one."""
    return Owner(run_id=run_id, process=process_named(os.getpid(), socket.gethostname(), machine, uuid4().hex[:8]))


def this_machine() -> str:
    """Returns the id of this host; empty if it cannot be determined.

    Without it no process is ever known to be gone.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
        identity = Path("/etc/machine-id")
        installed = identity.read_text(errors="replace").strip() if identity.is_file() else ""
    except OSError:
        return ""
    return machine_of(boot, namespace, installed, socket.gethostname()) if boot else ""


def is_gone(machine: str, found: LockRecord) -> bool:
    """Checks whether the process that wrote a record ran on this host and no longer exists."""
    pid = pid_on(machine, found.process)
    return pid > 0 and not _exists(pid)


def _exists(pid: int) -> bool:
    """Checks whether a process with this id exists.

    That includes a stopped process, another user's process, a dead one that is not reaped, and a new one with the same
    id. Only certain results count. It asks the kernel, because /proc may hide the processes of other users.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def boot_clock() -> float:
    """Returns the seconds of a clock that continues while the host sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
