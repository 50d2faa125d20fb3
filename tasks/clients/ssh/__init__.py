"""Runs commands, reads files and opens tunnels on a node over SSH.

Only this package imports fabric and paramiko. Fabric opens the connections and chains them through a gateway.
Everything after that uses channels of the transport, for reasons that were measured on fabric 3.2.3 and
paramiko 5.1.0:

- fabric accepts any host key, on gateways too; this package refuses an unknown or changed key on both (`trust`);
- fabric's `run` joins the whole output again for every 1000 bytes (40 MB took 120 s), and its `timeout` leaves the
  remote process running (`command`);
- fabric and paramiko do not notice a silent peer, so each connection has a watchdog (`transport`);
- a lost connection looks like exit status -1: here it is `NotYet`, with the words "outcome unknown" (`command`);
- paramiko may send the end of a command's input after the command's end, for which sshd ends the connection and all that runs on
  it: here nothing follows the end of a channel (`transport`).
"""

from tasks.clients.ssh.command import Output
from tasks.clients.ssh.jobs import Job, JobResult, run_job, stop_job
from tasks.clients.ssh.node import SshNode
from tasks.clients.ssh.shell import CALL, NodeShell
from tasks.clients.ssh.target import SshLimits, SshTarget
from tasks.clients.ssh.tunnel import Tunnel

__all__ = [
    "CALL",
    "Job",
    "JobResult",
    "NodeShell",
    "Output",
    "SshLimits",
    "SshNode",
    "SshTarget",
    "Tunnel",
    "run_job",
    "stop_job",
]
