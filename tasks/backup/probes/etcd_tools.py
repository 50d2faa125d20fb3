"""etcd's own programs on a node: the host's where there are some, else those of the image that its member runs from."""

import shlex

from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.core.models.folders import PROGRAMS

FIND_TOOLS = f"""\
# etcd_tools MINOR IMAGE: prints a folder that has etcdctl and etcdutl of that minor version; status 3 when there is none.
etcd_tools() {{
  for folder in $(command -v etcdutl | xargs -r dirname) {PROGRAMS}/etcd-$1; do
    if [ -x "$folder/etcdctl" ] && "$folder/etcdutl" version 2>/dev/null | grep -q "^etcdutl version: $1\\\\."; then
      echo "$folder"; return
    fi
  done
  command -v ctr > /dev/null && [ -n "$2" ] || return 3
  mkdir -p {PROGRAMS}
  view=$(mktemp -d /run/kube-runbooks-image.XXXXXX)
  if timeout 20 ctr --namespace k8s.io images mount "$2" "$view" > /dev/null 2>&1; then
    rm -rf {PROGRAMS}/etcd-$1.new; mkdir {PROGRAMS}/etcd-$1.new
    cp "$view/usr/local/bin/etcdctl" "$view/usr/local/bin/etcdutl" {PROGRAMS}/etcd-$1.new || true
    timeout 10 ctr --namespace k8s.io images unmount --rm "$view" > /dev/null
    rm -rf {PROGRAMS}/etcd-$1; mv {PROGRAMS}/etcd-$1.new {PROGRAMS}/etcd-$1
  fi
  rmdir "$view"
  "{PROGRAMS}/etcd-$1/etcdutl" version 2>/dev/null | grep -q "^etcdutl version: $1\\\\." || return 3
  echo {PROGRAMS}/etcd-$1
}}
"""
"""A shell function for scripts that run as root. The programs are copied out of the image once for each minor."""

NO_TOOLS = 3
"""Its status when neither the host nor the image has them."""


def find_tools(minor: str, image: str) -> str:
    """The command that prints the folder."""
    return f"{FIND_TOOLS}etcd_tools {shlex.quote(minor)} {shlex.quote(image)}"


def no_tools(node: str, minor: str, image: str, status: int, stderr: bytes) -> RunbookError:
    """Why the command found nothing."""
    if status != NO_TOOLS:
        return CommandFailed(f"{node}: looking for etcd's programs: status {status}: {stderr.decode(errors='replace')}")
    where = f"nor has the image {image}" if image else "and it runs no member from an image"
    return Refused(
        f"{node}: no etcdctl and etcdutl {minor} on PATH, {where}",
        hint=f"install etcd {minor}'s programs on {node}, or leave its image in containerd",
    )
