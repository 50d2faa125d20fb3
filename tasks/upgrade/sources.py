"""Manages the package sources of a version on a node.

A copy serves what is staged, and the node's own files then name the minor version.
"""

from tasks.clients.ssh import NodeShell
from tasks.core.errors import Refused
from tasks.node_work.work import NodeWork
from tasks.nodes.probes.repositories import copies_for, rewritten_for
from tasks.nodes.probes.sources import Sources, ask_sources, in_lines, rewritten_in_lines, sources_in
from tasks.upgrade import scripts


def place_sources(shell: NodeShell, version: str) -> Sources:
    """Copies the node's own sources into the folder of a version, and lets them name its minor version.

    It raises `Refused` if there are none.
    """
    sources = sources_in(shell.ask(ask_sources()))
    minor = scripts.minor_of(version)
    copies = copies_for(sources.files, minor)
    if not copies:
        raise Refused(
            f"{shell.name}: no file of it names a repository of Kubernetes that is in use (core:/stable:/vN.NN)",
            hint=f"add the community's repository of v{minor}, or a mirror of it with that path",
        )
    shell.run(scripts.place_sources(version), stdin=in_lines(copies))
    return sources


def switch_sources(work: NodeWork, version: str) -> None:
    """Makes the node's own files name the minor of a version. It writes nothing if they do so already."""
    sources = sources_in(work.run(ask_sources()).encode())
    if rewritten := rewritten_for(sources.files, scripts.minor_of(version)):
        work.run(scripts.rewrite_sources(), stdin=rewritten_in_lines(rewritten))
