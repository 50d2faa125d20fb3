"""What a restore has a node do: each script looks at what is there first, so that it can be run again at any point."""

import shlex
from pathlib import PurePosixPath

from tasks.models.backups import Backup
from tasks.models.restore import MemberOnNode, Phase, RestorePlan, RestoreRecord, RestoreTarget
from tasks.probes.control_plane import PARKED, WORK, process_name
from tasks.probes.node_snapshot import READ_CA
from tasks.probes.static_pods import MANIFESTS

LOOK_TRIES = 50
"""Of 0.2 s, before a script answers that something still runs."""


def new_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where the restored data waits: on the file system of the data directory, so that the swap is a rename."""
    return _beside(member, f"restore-{restore_id}")


def kept_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where the old data stays. Nothing of ours ever deletes it."""
    return _beside(member, f"before-{restore_id}")


def prepare(plan: RestorePlan, target: RestoreTarget, backup: Backup, *, revision_bump: int) -> str:
    """The job that fetches, checks and restores a snapshot; its standard input: the store's CA, then the URL."""
    member, new = target.member, new_folder(target.member, plan.id)
    words = [
        *(f"{target.tools}/etcdutl", "snapshot", "restore", "snapshot.db", "--data-dir", str(new)),
        *("--name", member.name, "--initial-cluster", plan.initial_cluster, "--initial-cluster-token", plan.id),
        *("--initial-advertise-peer-urls", member.peer_url),
        *("--bump-revision", str(revision_bump), "--mark-compacted"),
    ]
    stored, plain = backup.snapshot.stored, backup.snapshot.plain
    return f"""set -eu
umask 077
mkdir -p {WORK}
case "$(cat {WORK}/phase 2>/dev/null)" in {Phase.STOPPED}|{Phase.SWAPPED}|{Phase.SERVING}) echo "prepared before"; exit ;; esac
{_write_record(plan.record)}
[ "$(cat {new}/ready 2>/dev/null)" = {_marker(plan)} ] && {{ echo {Phase.PREPARED} > {WORK}/phase; exit; }}
work={WORK}/download
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
rm -rf "$work" {new}; mkdir -p "$work"; cd "$work"
{READ_CA}
read -r url
printf 'url = "%s"\\n' "$url" | curl --config - --silent --show-error --fail --connect-timeout 10 --retry 3 \\
  --speed-limit 1024 --speed-time 60 $CA --output stored || exit 75
check() {{ # FILE SHA256
  sum=$(sha256sum < "$1" | cut -d' ' -f1)
  [ "$sum" = "$2" ] || {{ echo "the $1 object has sha256 $sum, the manifest says $2"; exit 1; }}
}}
check stored {stored.sha256}
zstd -qdc stored > snapshot.db; rm stored
check snapshot.db {plain.sha256}
{shlex.join(words)} 2>&1
chown -R {member.owner} {new}; chmod 700 {new}
! command -v restorecon > /dev/null || restorecon -RF {new}
echo {_marker(plan)} > {new}/ready
sync -f {new}
echo {Phase.PREPARED} > {WORK}/phase
"""


def park(pods: tuple[str, ...]) -> str:
    """Takes static pods away from kubelet; prints those that still run after ten seconds."""
    moves = "\n".join(
        f"[ ! -e {MANIFESTS}/{pod}.yaml ] || mv -f {MANIFESTS}/{pod}.yaml {PARKED}/{pod}.yaml" for pod in pods
    )
    names = " ".join(process_name(pod) for pod in pods)
    return f"""set -eu
mkdir -p -m 700 {PARKED}
{moves}
for try in $(seq {LOOK_TRIES}); do
  left=""
  for name in {names}; do ! pgrep -x "$name" > /dev/null || left="$left $name"; done
  [ -n "$left" ] || break
  sleep 0.2
done
echo $left
"""


def unpark(pods: tuple[str, ...]) -> str:
    """Gives static pods back to kubelet."""
    return "set -eu\n" + "\n".join(
        f"[ ! -e {PARKED}/{pod}.yaml ] || mv -f {PARKED}/{pod}.yaml {MANIFESTS}/{pod}.yaml" for pod in pods
    )


def mark(phase: Phase, record: RestoreRecord) -> str:
    """Remembers on the node how far a restore has come."""
    return f"set -eu\numask 077\nmkdir -p {WORK}\n{_write_record(record)}\necho {phase} > {WORK}/phase.new\nmv {WORK}/phase.new {WORK}/phase\nsync -f {WORK}"


def swap(plan: RestorePlan, target: RestoreTarget) -> str:
    """Puts the new data in the old one's place, which is kept."""
    member = target.member
    data, new, kept = member.data_dir, new_folder(member, plan.id), kept_folder(member, plan.id)
    moves = (
        f"""mkdir -p -m 700 {kept}
[ -e {kept}/member ] || [ ! -e {data}/member ] || mv {data}/member {kept}/member
[ ! -e {new}/member ] || mv {new}/member {data}/member
rm -f {new}/ready; rmdir {new} 2>/dev/null || true"""
        if member.is_mount
        else f"""[ -e {kept} ] || [ ! -e {data} ] || mv {data} {kept}
[ ! -e {new} ] || mv {new} {data}
rm -f {data}/ready"""
    )
    return f"""set -eu
case "$(cat {WORK}/phase 2>/dev/null)" in {Phase.SWAPPED}|{Phase.SERVING}) exit ;; esac
! pgrep -x etcd > /dev/null || {{ echo "etcd runs on this node" >&2; exit 1; }}
[ -e {kept} ] || [ "$(cat {new}/ready 2>/dev/null)" = {_marker(plan)} ] || {{ echo "the new data is not ready" >&2; exit 1; }}
{moves}
sync -f {data}
echo {Phase.SWAPPED} > {WORK}/phase
"""


def swap_back(restore_id: str, member: MemberOnNode) -> str:
    """Puts the old data back; the restored data is kept beside it when it was in place already."""
    data, new, kept = member.data_dir, new_folder(member, restore_id), kept_folder(member, restore_id)
    moves = (
        f"""if [ -e {kept}/member ]; then
  mkdir -p -m 700 {new}; [ ! -e {data}/member ] || mv {data}/member {new}/member; mv {kept}/member {data}/member; rmdir {kept}
fi"""
        if member.is_mount
        else f"""if [ -e {kept} ]; then [ ! -e {data} ] || mv {data} {new}; mv {kept} {data}; fi"""
    )
    return f"set -eu\n! pgrep -x etcd > /dev/null || {{ echo 'etcd runs on this node' >&2; exit 1; }}\n{moves}\nsync -f {data}"


def finish(restore_id: str) -> str:
    """The restore is over: its record stays, under another name."""
    return f"set -eu\nrm -f {WORK}/phase\n[ ! -e {WORK}/record.json ] || mv {WORK}/record.json {WORK}/ended-{restore_id}.json"


def ready() -> str:
    """Prints 200 when the API server of this node says that it is ready."""
    return "curl --insecure --silent --max-time 5 --output /dev/null --write-out '%{http_code}' https://127.0.0.1:6443/readyz || true"


def kubectl(arguments: str) -> str:
    """As the node's own administrator, at the node's own API server."""
    return f"kubectl --kubeconfig=/etc/kubernetes/admin.conf --server=https://127.0.0.1:6443 --request-timeout=20s {arguments}"


def _beside(member: MemberOnNode, name: str) -> PurePosixPath:
    return member.data_dir / name if member.is_mount else PurePosixPath(f"{member.data_dir}.{name}")


def _marker(plan: RestorePlan) -> str:
    """Of restored data: for this restore, with these members."""
    return shlex.quote(f"{plan.id} {plan.backup} {plan.initial_cluster}")


def _write_record(record: RestoreRecord) -> str:
    text = shlex.quote(record.model_dump_json(exclude={"phase"}))
    return f"printf '%s' {text} > {WORK}/record.json.new; mv {WORK}/record.json.new {WORK}/record.json"
