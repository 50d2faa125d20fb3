"""Commands, files and tunnels on a node over SSH: the only package that imports fabric and paramiko.

Fabric opens the connections and chains them through a gateway; everything after that uses channels of the transport,
for reasons that were measured on fabric 3.2.3 and paramiko 5.1.0:

- fabric accepts any host key, on gateways as well; here an unknown or changed key is refused on both (`trust`);
- fabric's `run` joins the whole output again for every 1000 bytes (40 MB took 120 s), and its `timeout` leaves the
  remote process running (`command`);
- a peer that went silent is noticed by nobody, so each connection has a watchdog (`transport`);
- a lost connection looks like exit status -1: here it is `NotYet`, with the words "outcome unknown" (`command`).
"""

from tasks.clients.ssh.command import Output
from tasks.clients.ssh.jobs import Job, JobResult, run_job, stop_job
from tasks.clients.ssh.node import SshNode
from tasks.clients.ssh.shell import CALL, NodeShell
from tasks.clients.ssh.target import SshLimits, SshTarget

__all__ = [
    "CALL",
    "Job",
    "JobResult",
    "NodeShell",
    "Output",
    "SshLimits",
    "SshNode",
    "SshTarget",
    "run_job",
    "stop_job",
]
