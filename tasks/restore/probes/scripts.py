"""What a restore has a node do: each script looks at what is there first, so that it can be run again at any point."""

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import MemberOnNode, Phase, RestoreRecord
from tasks.control_plane.probes.look import ETCD
from tasks.control_plane.probes.manifests import PROCESSES
from tasks.core.models.folders import JOBS, RESTORES
from tasks.restore.models import RestorePlan, RestoreTarget

READ_CA = """\
CA=
read -r ca
if [ "$ca" != - ]; then echo "$ca" | base64 -d > ca.pem; CA="--cacert $work/ca.pem"; fi"""
"""The first line of the standard input: the CA of the store in base64, or `-`; `read_ca` of tasks/backup/scripts/store.lib.sh."""


def new_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where the restored data waits."""
    return member.beside(f"restore-{restore_id}")


def kept_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where the data from before a restore stays: of several attempts, of the first one. Nothing of ours ever deletes it."""
    return member.beside(f"before-{restore_id}")


def attempts_folder(member: MemberOnNode, restore_id: str) -> PurePosixPath:
    """Where an attempt keeps what the attempt before it had restored, while the original data is kept already."""
    return member.beside(f"attempt-{restore_id}")


def prepare(plan: RestorePlan, target: RestoreTarget, backup: Backup, words: Sequence[str]) -> str:
    """The job that fetches, checks and restores a snapshot; its standard input: the store's CA, then the URL."""
    member, new = target.member, new_folder(target.member, plan.id)
    stored, plain = backup.snapshot.stored, backup.snapshot.plain
    return f"""set -eu
umask 077
mkdir -p {RESTORES}
{_phase_of(plan.id)}
case "$phase" in {Phase.STOPPED}|{Phase.SWAPPED}|{Phase.SERVING}) echo "prepared before"; exit ;; esac
{_write_record(plan.record)}
{_clear(member, plan.record.attempts[:-1])}
[ "$(cat {new}/ready 2>/dev/null)" = {_marker(plan)} ] && {{ {_mark(plan.id, Phase.PREPARED)}; exit; }}
work={RESTORES}/download
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
{_mark(plan.id, Phase.PREPARED)}
"""


def mark(phase: Phase, record: RestoreRecord) -> str:
    """Remembers on the node how far a restore has come, unless it has come further."""
    further = list(Phase)[list(Phase).index(phase) + 1 :]
    return f"""set -eu
umask 077
mkdir -p {RESTORES}
{_write_record(record)}
{_phase_of(record.id)}
case "$phase" in {"|".join(further) or "none"}) ;; *) {_mark(record.id, phase)} ;; esac
"""


def swap(plan: RestorePlan, target: RestoreTarget) -> str:
    """Puts the new data in the old one's place, which is kept. A mount point stays: what is in it moves.

    The original is what the first attempt finds; what a later one finds is the data that an earlier one has restored, and is
    kept under another name. A file in place of a folder says that there was no data.
    """
    member = target.member
    data, new = member.data_dir, new_folder(member, plan.id)
    *earlier, _ = plan.record.attempts
    below = _below(member)
    found = " ".join(f"{kept_folder(member, one)}{below}" for one in earlier)
    kept, aside = kept_folder(member, plan.id), attempts_folder(member, plan.id)
    make = 'mkdir -p -m 700 "$kept"'
    return f"""set -eu
{_phase_of(plan.id)}
case "$phase" in {Phase.SWAPPED}|{Phase.SERVING}) rm -rf {new} {data}/ready; exit ;; esac
{_no_etcd(member)}
is_new() {{ [ "$(cat "$1"/ready 2>/dev/null)" = {_marker(plan)} ]; }}
is_new {new} || is_new {data} || {{ echo "the new data is not ready" >&2; exit 1; }}
if [ -e {new}{below} ]; then  # else it is in its place already, and what is there must stay
  kept={kept}
  for original in {found}; do [ ! -e "$original" ] || kept={aside}; done
  {make if member.is_mount else ""}
  if [ -e {data}{below} ] && [ -e "$kept{below}" ]; then kept={aside}; {make if member.is_mount else ":"}; fi  # a rollback was cut off
  if [ -e {data}{below} ] && [ -e "$kept{below}" ]; then rm -rf {data}{below}
  elif [ -e {data}{below} ]; then mv -T {data}{below} "$kept{below}"
  elif [ "$kept" = {kept} ] && [ ! -e "$kept{below}" ]; then touch "$kept{below}"
  fi
  mv -T {new}{below} {data}{below}
fi
sync -f {data}
{_mark(plan.id, Phase.SWAPPED)}
rm -rf {new} {data}/ready
"""


def swap_back(attempts: Sequence[str], member: MemberOnNode) -> str:
    """Puts the original data back where an attempt has taken its place; what was restored, which is the backup's, goes.

    `attempts`: the oldest first. Prints `nothing` where there was no data before, and `attempt FOLDER` for what is left. The
    phases go first: a restore that is run again after a rollback that was cut off prepares this node from the start.
    """
    data, below = member.data_dir, _below(member)
    kept = " ".join(f"{kept_folder(member, one)}{below}" for one in attempts)
    folders = [folder(member, one) for one in attempts for folder in (kept_folder, attempts_folder)]
    left = " ".join(f"{attempts_folder(member, one)}" for one in attempts)
    return f"""set -eu
{_no_etcd(member)}
rm -f {" ".join(f"{RESTORES}/{one}.phase" for one in attempts)}
{_clear(member, attempts)}
for kept in {kept}; do
  if [ -d "$kept" ]; then rm -rf {data}{below}; mv -T "$kept" {data}{below}; break
  elif [ -e "$kept" ]; then echo nothing; rm -f "$kept"; break
  fi
done
{f"rmdir {' '.join(map(str, folders))} 2> /dev/null || true" if member.is_mount else ""}
for folder in {left}; do [ ! -d "$folder" ] || echo "attempt $folder"; done
[ ! -e {data} ] || sync -f {data}
"""


def end(record: RestoreRecord, member: MemberOnNode | None = None) -> str:
    """The restore is over: its record stays, under another name. Prints where the data from before is: `original FOLDER`, `attempt FOLDER`."""
    first, *others = (one.id for one in record.chain)
    lines = ["set -eu", f"mkdir -p {RESTORES}"]
    lines += [f"touch {RESTORES}/{one}.ended {RESTORES}/{one}.over" for one in others]
    lines.append(f"[ ! -e {RESTORES}/record.json ] || mv {RESTORES}/record.json {RESTORES}/{first}.ended")
    lines.append(f"rm -f {RESTORES}/*.phase")
    if member:
        lines += [line for one in record.chain for line in _kept_by(one.id, member)]
    return "\n".join([*lines, ""])


def _kept_by(restore_id: str, member: MemberOnNode) -> list[str]:
    """Names an attempt's folders that have data; those that have none go."""
    below, lines = _below(member), []
    folders = {"original": kept_folder(member, restore_id), "attempt": attempts_folder(member, restore_id)}
    for kind, folder in folders.items():
        lines.append(f"[ ! -f {folder}{below} ] || rm -f {folder}{below}")
        lines.append(f"[ ! -d {folder}{below} ] || echo {kind} {folder}")
        lines += [f"rmdir {folder} 2> /dev/null || true"] if member.is_mount else []
    return lines


def parse_kept(stdout: bytes) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Folders with original data, folders with what attempts had restored, and whether there was no data before."""
    lines = [line.partition(" ")[::2] for line in stdout.decode().splitlines()]

    def of(kind: str) -> tuple[str, ...]:
        return tuple(folder for found, folder in lines if found == kind)

    return of("original"), of("attempt"), ("nothing", "") in lines


def forget(record: RestoreRecord) -> str:
    """A restore was rolled back: it never was. One before it, on which API servers have run, is under way as it was."""
    phases = " ".join(f"{RESTORES}/{one}.phase" for one in record.attempts)
    before = _write_record(record.served) if record.served else f"rm -f {RESTORES}/record.json"
    return f"set -eu\nmkdir -p {RESTORES}\n{before}\nrm -f {phases}\n"


def close(record: RestoreRecord) -> str:
    """Its attempts are over, also for a node that comes back with a record of one; to be noted when no node has one any more."""
    return f"touch {' '.join(f'{RESTORES}/{one}.over' for one in record.attempts)}\n"


def _no_etcd(member: MemberOnNode) -> str:
    """Ends the script where the member's own etcd runs, or anybody has its database open; a workload's etcd is in nobody's way."""
    database = f"{member.data_dir}/member/snap/db"
    return f"""{PROCESSES}
sees_processes
[ -z "$(pids_of {ETCD})" ] || {{ echo "etcd runs on this node: process $(pids_of {ETCD} | head -n 1)" >&2; exit 1; }}
held=$(others_with {database} | head -n 1)
[ -z "$held" ] || {{ echo "$held has {database} open" >&2; exit 1; }}"""


def _below(member: MemberOnNode) -> str:
    """What of a data directory moves: all of it, or where it is a mount point what is in it."""
    return "/member" if member.is_mount else ""


def _clear(member: MemberOnNode, attempts: Sequence[str]) -> str:
    """What attempts have prepared and not put in place goes, and so does the job that may still be at it."""
    return "\n".join(
        f"""systemctl stop 'kube-runbooks-restore-{one}-*.service' 2> /dev/null || true
rm -rf {new_folder(member, one)} {JOBS}/restore-{one}-*"""
        for one in attempts
    )


def _marker(plan: RestorePlan) -> str:
    """Of restored data: for this restore, with these members."""
    return shlex.quote(f"{plan.id} {plan.backup} {plan.initial_cluster}")


def _phase_of(restore_id: str) -> str:
    return f"phase=$(cat {RESTORES}/{restore_id}.phase 2> /dev/null || true)"


def _mark(restore_id: str, phase: Phase) -> str:
    file = f"{RESTORES}/{restore_id}.phase"
    return f"echo {phase} > {file}.new; sync {file}.new; mv {file}.new {file}"


def _write_record(record: RestoreRecord) -> str:
    text = shlex.quote(record.model_dump_json(exclude={"phase"}))
    return f"printf '%s' {text} > {RESTORES}/record.json.new; sync {RESTORES}/record.json.new; mv {RESTORES}/record.json.new {RESTORES}/record.json"
