"""This process, as an owner of a lock: its name, its clock, and which other processes of its machine are gone for certain."""

import os
import socket
import time
from pathlib import Path
from uuid import uuid4

from tasks.run.models.lock import LockRecord, Owner, machine_of, pid_on, process_named


def owner_of(run_id: str, machine: str) -> Owner:
    """This process as an owner; each call makes another one."""
    return Owner(run_id=run_id, process=process_named(os.getpid(), socket.gethostname(), machine, uuid4().hex[:8]))


def this_machine() -> str:
    """Empty where it cannot be told: then no process is ever known to be gone."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
        identity = Path("/etc/machine-id")
        installed = identity.read_text(errors="replace").strip() if identity.is_file() else ""
    except OSError:
        return ""
    return machine_of(boot, namespace, installed, socket.gethostname()) if boot else ""


def is_gone(machine: str, found: LockRecord) -> bool:
    """Whether the process that wrote a record was one of this machine, and does not exist any more."""
    pid = pid_on(machine, found.process)
    return pid > 0 and not _exists(pid)


def _exists(pid: int) -> bool:
    """Also one that is stopped, somebody else's, or dead and not reaped, and another one with its number: only what is certain counts.

    It asks the kernel: /proc may hide the processes of other users.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def boot_clock() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
