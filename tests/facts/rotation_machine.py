"""kubeadm's folder on a machine of our own, and a real shell that can be cut off at any command.

kubeadm is a script of ours here that does what kubeadm v1.37.2 was seen to do: a new key and certificate into the folder that its
configuration names, by the authority there, and status 0 also where it does nothing (an external authority).
"""

import base64
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from tasks.cert_rotation import scripts
from tasks.cert_rotation.models.rotation import RotationRecord
from tasks.cert_rotation.models.where import Where
from tasks.certificates.probes.x509 import certificates_in
from tasks.core.shell import ROOT

LEAVES = ("etcd-peer", "apiserver", "admin.conf", "scheduler.conf")
RECORD = RotationRecord(
    run_id="0a1b2c3d-0000",
    begun_at=datetime(2026, 11, 25, tzinfo=UTC),
    leaves=LEAVES,
    anew=("apiserver",),
    restarts=("etcd", "kube-apiserver"),
)
PAIRS = ROOT / "tasks" / "cert_rotation" / "scripts" / "pairs.lib.sh"
KUBEADM = r"""#!/bin/sh
set -eu
echo "$*" >> CALLS
if [ "$1" = version ]; then echo v1.37.2; exit; fi
for config in "$@"; do :; done
pki=$(sed -n 's/^certificatesDir: *//p' "$config" | tr -d "'")
case "$1" in certs) name=$3 ;; init) name=$4 ;; esac
make() { # KEY CERTIFICATE AUTHORITY
  [ -e "$3.key" ] || { echo "Detected external ca, $name can't be renewed"; exit 0; }
  openssl ecparam -name prime256v1 -genkey -noout -out "$1"
  openssl req -new -key "$1" -subj "/CN=$name" | openssl x509 -req -CA "$3.crt" -CAkey "$3.key" -set_serial "0x$(openssl rand -hex 8)" -days 30 -out "$2" 2> /dev/null
}
case "$name" in
  etcd-peer) make "$pki/etcd/peer.key" "$pki/etcd/peer.crt" "$pki/etcd/ca" ;;
  apiserver) make "$pki/apiserver.key" "$pki/apiserver.crt" "$pki/ca" ;;
  *) make "$pki/x.key" "$pki/x.crt" "$pki/ca"
     printf 'users:\n- user:\n    client-certificate-data: %s\n    client-key-data: %s\n' "$(base64 -w0 < "$pki/x.crt")" "$(base64 -w0 < "$pki/x.key")" > "FOLDER/$name" ;;
esac
"""


class Machine:
    """kubeadm's folder with a few certificates, and the programs that a script calls."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.work = root, root / "kubernetes", root / "work"
        self.where = Where.of_kubeadm(PurePosixPath(self.folder))
        self.parked = Path(self.where.parked)
        (self.folder / "pki" / "etcd").mkdir(parents=True)
        (self.folder / "manifests").mkdir()
        (self.folder / "tmp").mkdir()
        (self.folder / "tmp" / "large").write_text("a copy of etcd's data")
        self.bin = root / "bin"
        self.bin.mkdir()
        kubeadm = self.bin / "kubeadm"
        kubeadm.write_text(KUBEADM.replace("FOLDER", str(self.folder)).replace("CALLS", str(root / "calls")))
        kubeadm.chmod(0o755)
        for name in ("etcd", "kube-apiserver"):
            (self.folder / "manifests" / f"{name}.yaml").write_text(f"manifest of {name}\n")
        for authority in ("ca", "etcd/ca"):
            self.shell(
                f"cd {self.folder}/pki; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 300 "
                f"-subj /CN=ca -keyout {authority}.key -out {authority}.crt"
            )
        (root / "first.yaml").write_text(f"certificatesDir: {self.folder}/pki\n")
        for leaf in LEAVES:
            self.shell(f"kubeadm certs renew {leaf} --config {root}/first.yaml; rm -f {self.folder}/pki/x.*")
        (self.folder / "pki" / "apiserver.key").chmod(0o640)
        (root / "calls").unlink()

    def shell(self, script: str, stdin: bytes = b"", *, commands: int = 0) -> subprocess.CompletedProcess[bytes]:
        """With `commands` it dies right before its n-th command that changes anything."""
        count = self.root / "count"
        count.write_text("0")
        guard = f"n() {{ c=$(($(cat {count}) + 1)); echo $c > {count}; [ $c -ne {commands} ] || kill -9 $$; }}\n"
        for program in ("mv", "cp", "rm", "kubeadm", "mkdir", "sync", "touch"):
            guard += f'{program}() {{ n; command {program} "$@"; }}\n'
        text = script.replace("/var/lib/kube-runbooks/certificates", str(self.work))
        text = text.replace("/var/lib/kube-runbooks/jobs", str(self.root / "jobs"))
        environment = {"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        return subprocess.run(
            ["/bin/sh", "-c", guard + text], input=stdin, capture_output=True, check=False, env=environment
        )

    def begin(self, record: RotationRecord = RECORD) -> None:
        """A configuration that names what is filled in."""
        configuration = f"certificatesDir: '{self.work}/stage/pki'\n".encode()
        done = self.shell(scripts.begin(self.where, record), configuration)
        assert done.returncode == 0, done.stderr

    def renew(self, *, commands: int = 0) -> subprocess.CompletedProcess[bytes]:
        """The job."""
        return self.shell(scripts.renew(self.where, RECORD), commands=commands)

    def file(self, name: str) -> Path:
        """Where one is that is named as in `/etc/kubernetes`."""
        return Path(self.where.pki, name.removeprefix("pki/")) if name.startswith("pki/") else self.folder / name

    def serials(self) -> dict[str, int]:
        """Of the leaves, as they are."""
        found = {}
        for leaf in LEAVES:
            text = self.file(scripts.files_of(leaf)[0]).read_bytes()
            if leaf.endswith(".conf"):
                text = base64.b64decode(text.partition(b"client-certificate-data: ")[2].split()[0])
            found[leaf] = certificates_in(text)[0].serial_number
        return found

    def is_whole(self) -> bool:
        """Each key belongs to its certificate."""
        lines = [
            shlex.join(["fits" if len(files) > 1 else "fits_inside", *(str(self.file(name)) for name in files)])
            for files in map(scripts.files_of, LEAVES)
        ]
        return self.shell(PAIRS.read_text() + "\n".join(["set -e", *lines])).returncode == 0

    def keys(self) -> list[bytes]:
        """Every private key, as lines and as one word."""
        found = []
        for path in self.folder.rglob("*.key"):
            found += [*path.read_bytes().splitlines()[1:-1], base64.b64encode(path.read_bytes())]
        return [line for line in found if len(line) > 40]
