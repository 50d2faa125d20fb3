"""What a rotation has a node do: each script looks at what is there first, so that it can be run again at any point.

No key is in an argument or in what is printed. New pairs are made beside the old ones and moved over them when they are whole:
etcd reads its files at each handshake, and a node that dies in between has either the old pair or the new one.
"""

import base64
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import PurePosixPath

from tasks.cert_rotation.models.rotation import NodeRotation, OnNode, ProofsNow, RotationRecord, TakenFrom
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.probes.kubelet import LIKE
from tasks.control_plane.probes.parking import ready
from tasks.core.models.folders import JOBS, ROTATIONS
from tasks.core.models.kubeadm import API_SERVER, CONTROLLERS, PARKED, SCHEDULER
from tasks.core.probes.printed import Printed
from tasks.core.shell import quoted

RECORD = f"{ROTATIONS}/record.json"
PUT_BACK = f"{ROTATIONS}/put-back"
STAGE = f"{ROTATIONS}/stage"
CONFIGURATION = f"{ROTATIONS}/kubeadm.yaml"
KUBEADMS_OWN = "tmp"
"""Below kubeadm's folder: its own copies, of etcd's data among them."""

KEPT = 3
"""Copies of earlier runs, which have keys in them: the newest ones."""

HEALTH = {CONTROLLERS: 10257, SCHEDULER: 10259}
"""Where programs say on loopback that they are well, to anybody."""

_PAIRS = r"""
fits() { # CERTIFICATE_FILE KEY_FILE: both are there, and belong together
  [ -s "$1" ] && [ -s "$2" ] && [ "$(openssl x509 -noout -pubkey -in "$1" 2> /dev/null)" = "$(openssl pkey -pubout -in "$2" 2> /dev/null)" ]
}
value() { sed -n "s/^ *\(- \)\{0,1\}$1: *//p" "$2" | head -n 1 | tr -d '"'; }
fits_inside() { # KUBECONFIG
  [ -n "$(value client-key-data "$1")" ] &&
  [ "$(value client-certificate-data "$1" | base64 -d 2> /dev/null | openssl x509 -noout -pubkey 2> /dev/null)" = "$(value client-key-data "$1" | base64 -d 2> /dev/null | openssl pkey -pubout 2> /dev/null)" ]
}
differs() { # FILE below kubeadm's folder: from the copy
  ! tar -xOf "$copy" "$base/$1" 2> /dev/null | cmp -s - "$folder/$1"
}
put_back() { # FILE... below kubeadm's folder, with owner and mode
  for file in "$@"; do ! differs "$file" || tar -C "$parent" -xpf "$copy" "$base/$file"; done
}
"""


def look() -> str:
    """What rotations have left on a node; its output is for `parse_left`."""
    return f"""[ ! -e {RECORD} ] || echo "record $(base64 -w0 < {RECORD})"
for file in {ROTATIONS}/*.ended; do [ ! -e "$file" ] || echo "ended $(basename "$file" .ended)"; done
true
"""


def parse_left(node: str, stdout: bytes) -> OnNode:
    """What `look` printed."""
    told = Printed.of(stdout)
    record, unreadable = _record(told.one("record"))
    return OnNode(
        node=node,
        record=record,
        unreadable=unreadable,
        ended=told.all("ended"),
    )


def _record(text: str) -> tuple[RotationRecord | None, str]:
    """And why it is not understood: as good as none is no answer, for then its node would be taken for whole."""
    try:
        return (RotationRecord.model_validate_json(base64.b64decode(text)) if text else None), ""
    except ValueError:
        return None, f"{RECORD} is there and cannot be understood"


def begin(folder: PurePosixPath, record: RotationRecord) -> str:
    """Copies kubeadm's folder, without the large copies that kubeadm itself keeps in `tmp`, once, and then writes down what is wanted; its standard input: the configuration for kubeadm."""
    copy = record.copy_file
    text = shlex.quote(record.model_dump_json())
    return f"""set -eu; umask 077
mkdir -p {ROTATIONS}; chmod 700 {ROTATIONS}
if [ ! -e {RECORD} ]; then  # what this very run has left without one is of an earlier time
  rm -rf {PUT_BACK} {JOBS}/{job_of(record)}
  [ ! -e {copy} ] || mv -f {copy} {copy.removesuffix(".tar")}.earlier.tar
fi
if [ ! -e {copy} ]; then
  tar -C {quoted(folder.parent)} --exclude={quoted(f"{folder.name}/{KUBEADMS_OWN}")} -cpf {copy}.new {quoted(folder.name)}
  sync {copy}.new; mv {copy}.new {copy}
fi
cat > {CONFIGURATION}
printf '%s' {text} > {RECORD}.new; sync {RECORD}.new; mv {RECORD}.new {RECORD}
"""


def note(record: RotationRecord) -> str:
    """Writes down that a rotation has come to another phase there."""
    return f"""set -eu; umask 077
printf '%s' {shlex.quote(record.model_dump_json())} > {RECORD}.new; sync {RECORD}.new; mv {RECORD}.new {RECORD}
"""


def renew(folder: PurePosixPath, record: RotationRecord) -> str:
    """The job that renews leaves by kubeadm, each once: what differs from the copy and is whole was renewed before."""
    lines = [_renew_one(leaf, anew=leaf in record.anew) for leaf in record.leaves]
    return "\n".join([_head(folder, record), _RENEW, *lines, f"rm -rf {STAGE}", "sync"]) + "\n"


def put_back(folder: PurePosixPath, record: RotationRecord) -> str:
    """The files and manifests of before, and when: what has read the new ones since then is started anew."""
    files = " ".join(shlex.quote(file) for leaf in record.leaves for file in files_of(leaf))
    return f"""{_head(folder, record)}
[ -z "{files}" ] || put_back {files}
for pod in {" ".join(record.restarts)}; do
  if [ -e {PARKED}/$pod.yaml ] || differs manifests/$pod.yaml; then
    mkdir -p -m 700 {PARKED}
    tar -xOf "$copy" "$base/manifests/$pod.yaml" > {PARKED}/$pod.yaml.new
    mv -f {PARKED}/$pod.yaml.new "$folder/manifests/$pod.yaml"; rm -f {PARKED}/$pod.yaml
  fi
done
rm -rf {STAGE}
[ -e {PUT_BACK} ] || touch {PUT_BACK}
sync
"""


def when_put_back() -> str:
    """Prints the time, by the node's clock, at which the files of before were put back."""
    return f"stat -c %Y {PUT_BACK} 2> /dev/null || true\n"


def parse_time(text: str) -> datetime | None:
    """None where nothing was printed."""
    return datetime.fromtimestamp(int(text), UTC) if text.strip() else None


def end(run_id: str) -> str:
    """The rotation is over there: its record stays under the name of the run that ended it, and the newest copies do."""
    return f"""set -eu
rm -rf {STAGE} {CONFIGURATION} {PUT_BACK}
[ ! -e {RECORD} ] || mv {RECORD} {ROTATIONS}/{run_id}.ended
ls -t {ROTATIONS}/*.tar 2> /dev/null | tail -n +{KEPT + 1} | while read -r file; do rm -f "$file"; done
"""


def forget(record: RotationRecord) -> str:
    """The files of before are in their places again: nothing was done there, and nobody goes on with it or attaches to its job."""
    return f"""set -eu
rm -rf {STAGE} {CONFIGURATION} {JOBS}/{job_of(record)}
[ ! -e {record.copy_file} ] || mv -f {record.copy_file} {put_back_copy(record)}
rm -f {PUT_BACK} {RECORD}
"""


def job_of(record: RotationRecord) -> str:
    """The name of the job that renews: the same leaves of the same run are the same job."""
    wanted = sha256(" ".join((*record.leaves, "/", *record.anew)).encode()).hexdigest()
    return f"certificates-{record.run_id}-{wanted[:8]}"


def put_back_copy(record: RotationRecord) -> str:
    """Where the copy is once its files are in their places again."""
    return f"{record.copy_file.removesuffix('.tar')}.put-back.tar"


def refresh(folder: PurePosixPath, record: RotationRecord, copies: Sequence[tuple[str, str]]) -> str:
    """Gives copies of kubeconfigs the new certificate and key, and nothing else; prints what became of each.

    In a file with several users only the one with the certificate of before is meant. The new file takes the old one's place,
    its owner and its mode in one move.
    """
    lines = [f"refresh {shlex.quote(path)} {shlex.quote(source)}" for path, source in copies]
    return "\n".join([_head(folder, record), _REFRESH, *lines]) + "\n"


def parse_refreshed(stdout: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Those that have the new certificate, and why others have not."""
    told = Printed.of(stdout.encode())
    return told.all("fresh"), dict(told.pairs("left"))


def who_with(kubeconfigs: Sequence[str]) -> str:
    """Asks the API who it is that has each of these kubeconfigs; its output is for `parse_who`."""
    words = " ".join(map(shlex.quote, kubeconfigs))
    return f"""command -v kubectl > /dev/null || exit 0
for file in {words}; do
  if said=$(kubectl --kubeconfig "$file" --request-timeout=15s auth whoami -o 'jsonpath={{.status.userInfo.username}}' 2>&1); then
    echo "who $file $said"
  else echo "nobody $file $(echo "$said" | tail -n 1)"
  fi
done
"""


def parse_who(stdout: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Kubeconfig to the user that the API sees, and to why it sees none."""
    told = Printed.of(stdout)
    return dict(told.pairs("who")), dict(told.pairs("nobody"))


def is_well(pod: str) -> str:
    """Prints `ok` when the program says so at its own port."""
    return f"curl --insecure --silent --max-time 5 https://127.0.0.1:{HEALTH[pod]}/healthz || true\n"


def prove_now(kubeconfigs: Sequence[str]) -> str:
    """Asks what the proofs of a node ask, before anything is changed; its output is for `parse_proofs`."""
    health = "\n".join(f'echo "health {pod} $({is_well(pod).strip()})"' for pod in HEALTH)
    return f"""! command -v curl > /dev/null || echo "has curl"
! command -v kubectl > /dev/null || echo "has kubectl"
{health}
echo "health {API_SERVER} $({ready().strip()})"
{who_with(kubeconfigs)}"""


def parse_proofs(node: str, stdout: bytes) -> ProofsNow:
    """What `prove_now` printed."""
    told = Printed.of(stdout)
    said = dict(told.pairs("health"))
    well = dict.fromkeys(HEALTH, "ok") | {API_SERVER: "200"}
    return ProofsNow(
        node=node,
        curl="curl" in told.all("has"),
        kubectl="kubectl" in told.all("has"),
        ails={pod: said.get(pod, "")[:100] or "nothing" for pod in well if said.get(pod) != well[pod]},
        nobody=dict(told.pairs("nobody")),
    )


# --- a kubelet that nobody renews: its own key, a request, the authority of a control plane node


def evidence() -> str:
    """What a node has to say for itself when a proof has failed there."""
    return """echo "== processes"; ps -eo pid,etime,comm | grep -E 'kube|etcd|containerd'
for pod in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  for log in $(ls -t /var/log/pods/kube-system_$pod-*/*/*.log 2> /dev/null | head -n 1); do echo "== $log"; tail -n 40 "$log"; done
done
echo "== kubelet"; journalctl -u kubelet -n 80 --no-pager
true
"""


def files_of(leaf: str) -> tuple[str, ...]:
    """Below kubeadm's folder: the kubeconfig, or the certificate and its key."""
    file = LEAVES[leaf].file
    return (file, file.removesuffix(".crt") + ".key") if file.endswith(".crt") else (file,)


def record_of(node: NodeRotation, run_id: str, now: datetime, runbook: str, source: TakenFrom) -> RotationRecord:
    """What is written down before the first act."""
    return RotationRecord(
        run_id=run_id,
        begun_at=now,
        leaves=node.leaves,
        anew=node.anew,
        restarts=node.restarts,
        runbook=runbook,
        taken_from=source,
    )


def _renew_one(leaf: str, *, anew: bool) -> str:
    files = files_of(leaf)
    if len(files) == 1:
        return f"renew_kubeconfig {leaf}"
    authority = AUTHORITIES[LEAVES[leaf].authority].removesuffix(".crt")
    return f"renew_pair {leaf} {files[0]} {files[1]} {authority} {leaf if anew else '-'}"


def _head(folder: PurePosixPath, record: RotationRecord) -> str:
    return f"""set -eu; umask 077
folder={quoted(folder)}; parent={quoted(folder.parent)}; base={quoted(folder.name)}
copy={record.copy_file}
{_PAIRS}{LIKE}"""


_RENEW = f"""
stage={STAGE}
rm -rf "$stage"; mkdir -p "$stage"
version=$(kubeadm version -o short)
sed "s|@FOLDER@|$stage/pki|; s|@VERSION@|$version|" {CONFIGURATION} > "$stage/kubeadm.yaml"
renew_pair() {{ # NAME CERTIFICATE KEY AUTHORITY PHASE
  if differs "$2" && fits "$folder/$2" "$folder/$3"; then echo "renewed before: $1"; return; fi
  put_back "$2" "$3"
  mkdir -p "$stage/pki/etcd"
  cp -p "$folder/$4.crt" "$folder/$4.key" "$stage/$(dirname "$4")/"
  [ "$5" != - ] || cp -p "$folder/$2" "$folder/$3" "$stage/$(dirname "$2")/"
  if [ "$5" = - ]; then kubeadm certs renew "$1" --config "$stage/kubeadm.yaml" 2>&1
  else kubeadm init phase certs "$5" --config "$stage/kubeadm.yaml" 2>&1
  fi
  fits "$stage/$2" "$stage/$3" || {{ echo "$1: kubeadm has made no whole pair"; exit 1; }}
  openssl verify -CAfile "$folder/$4.crt" "$stage/$2" || {{ echo "$1: not signed by $4.crt"; exit 1; }}
  ! cmp -s "$stage/$2" "$folder/$2" || {{ echo "$1: kubeadm has not renewed it: is its authority external?"; exit 1; }}
  like "$stage/$3" "$folder/$3"
  like "$stage/$2" "$folder/$2"
}}
renew_kubeconfig() {{ # NAME
  if differs "$1" && fits_inside "$folder/$1"; then echo "renewed before: $1"; return; fi
  put_back "$1"
  mkdir -p "$stage/pki"; cp -p "$folder/pki/ca.crt" "$folder/pki/ca.key" "$stage/pki/"
  kubeadm certs renew "$1" --config "$stage/kubeadm.yaml" 2>&1
  # kubeadm has it believe the first certificate of ca.crt alone; while the authority is rotated, there are two.
  believe "$folder/$1" "$folder/pki/ca.crt" "$stage/$1"
  like "$stage/$1" "$folder/$1"
  differs "$1" && fits_inside "$folder/$1" || {{ echo "$1: kubeadm has not renewed it: is its authority external?"; exit 1; }}
}}
"""

_REFRESH = r"""
before=$(mktemp -d); trap 'rm -rf "$before"' EXIT
refresh() { # COPY SOURCE
  [ -e "$1" ] || { echo "left $1 it is not there"; return; }
  tar -xOf "$copy" "$base/$2" > "$before/old" 2> /dev/null || cp "$folder/$2" "$before/old"
  users=$(grep -c '^ *\(- \)\{0,1\}client-certificate-data:' "$1" || true)
  new=$(mktemp "$1.XXXXXX")
  awk -v users="$users" '
    function is(what) { return $1 == what || ($1 == "-" && $2 == what) }
    FNR == 1 { file++ }
    file == 1 { if (is("client-certificate-data:")) old_certificate = $NF; if (is("client-key-data:")) old_key = $NF; next }
    file == 2 { if (is("client-certificate-data:")) certificate = $NF; if (is("client-key-data:")) key = $NF; next }
    is("client-certificate-data:") && (users == 1 || $NF == old_certificate) { print substr($0, 1, index($0, ":")) " " certificate; next }
    is("client-key-data:") && (users == 1 || $NF == old_key) { print substr($0, 1, index($0, ":")) " " key; next }
    { print }
  ' "$before/old" "$folder/$2" "$1" > "$new"
  value client-certificate-data "$folder/$2" > "$before/wanted"
  if ! grep -qFf "$before/wanted" "$new"; then
    rm -f "$new"; echo "left $1 it has several users, and none with the certificate of before"
  elif cmp -s "$new" "$1"; then rm -f "$new"; echo "fresh $1"
  else like "$new" "$1"; echo "fresh $1"
  fi
}
"""
