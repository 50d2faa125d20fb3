"""Certificates of a node: one question over SSH, which changes nothing and prints no private key, and its parser.

Keys are compared by their public halves, which openssl computes on the node. No key, and nothing of a kubeconfig but its
certificates, is ever in an argument, in a file of ours, or in what is printed.
"""

import base64
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath

from cryptography import x509

from tasks.certificates.models.authorities import SIGNING_FLAG
from tasks.certificates.models.inventory import (
    Certificate,
    Kind,
    Kubeconfig,
    KubeletSettings,
    NodeCertificates,
    Process,
    PublicKey,
    Served,
)
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.probes.x509 import described, signer_of, sum_of
from tasks.control_plane.probes.manifests import PROCESSES, flags_of, parse_flags
from tasks.core.models.kubeadm import (
    API_SERVER,
    CONTROLLERS,
    ETCD,
    KUBELET,
    KUBELET_CLIENT,
    KUBELET_PKI,
    KUBELET_SERVING,
    ORDER,
    PARKED,
    SCHEDULER,
)
from tasks.core.models.profile import KubeconfigCopy
from tasks.core.probes.printed import Printed

HANDSHAKE_SECONDS = 5
KUBECONFIGS = ("admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf")
FILE_FLAGS = (
    *("tls-cert-file", "client-ca-file", "etcd-cafile", "etcd-certfile", "kubelet-client-certificate"),
    *("kubelet-certificate-authority", "proxy-client-cert-file", "requestheader-client-ca-file", "root-ca-file"),
    *("cluster-signing-cert-file", "cert-file", "peer-cert-file", "trusted-ca-file", "peer-trusted-ca-file"),
)
"""Of static pods and of etcd's unit, that name a file with certificates; beside kubeadm's own there may be others."""

TRUST_FLAGS = (
    "cluster-signing-cert-file",
    *(flag for flag in FILE_FLAGS if flag.endswith(("ca-file", "cafile", "authority"))),
)
"""Of those, the ones that name authorities."""

CLIENT_PORT, PEER_PORT, KUBELET_PORT, CONTROLLERS_PORT, SCHEDULER_PORT = 2379, 2380, 10250, 10257, 10259

TOOLS = (
    PROCESSES
    + r"""
encoded() { base64 -w0; }
only_certificates() { sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p'; }
public() { openssl pkey -pubout -outform DER 2> /dev/null | encoded; }
about() { stat -L -c '%Y %a %u:%g' -- "$1"; }
certificate() { # FILE
  [ -e "$1" ] || return 0
  echo "certificate $1 $(about "$1") $(only_certificates < "$1" | encoded)"
  key=${1%.crt}.key
  case "$1" in *.pem) key=$1 ;; esac
  if [ -e "$key" ] && [ "$key" != "$1" ] || grep -qs 'PRIVATE KEY-----' "$1"; then echo "key $1 $(public < "$key")"; fi
}
value() { sed -n "s/^ *\(- \)\{0,1\}$1: *//p" "$2" | tr -d '"'; }
kubeconfig() { # FILE COPY_OF
  if [ ! -e "$1" ]; then [ -z "$2" ] || echo "no_kubeconfig $1 $2"; return 0; fi
  echo "kubeconfig $1 $(about "$1") ${2:--} $(value server "$1" | head -n 1) $(value client-certificate "$1" | head -n 1)"
  echo "embedded $1 $(value client-certificate-data "$1" | while read -r line; do printf '%s' "$line" | base64 -d; done | only_certificates | encoded)"
  value client-key-data "$1" | head -n 1 | base64 -d 2> /dev/null | public | { read -r sum; [ -z "$sum" ] || echo "key $1 $sum"; }
  echo "trusted $1 $(value certificate-authority-data "$1" | while read -r line; do printf '%s' "$line" | base64 -d; done | only_certificates | encoded)"
}
process() { # NAME; ps knows whole seconds, and its files are written in the second in which it is started anew
  pid=$(pids_of "$1" | head -n 1)
  [ -n "$pid" ] || return 0
  container=$(container_of "$pid")
  started=$(echo "$(cut -d ' ' -f 1 /proc/uptime) $(sed 's/.*) //' "/proc/$pid/stat") $(date +%s.%N)" \
    | awk -v hz="$(getconf CLK_TCK)" 'NF > 21 { printf "%.2f", $NF - $1 + $21 / hz }')
  echo "process $1 $started $container"
}
served() { # NAME PORT HOST...
  name=$1; port=$2; shift 2
  for host in "$@"; do
    found=$(timeout SECONDS openssl s_client -connect "$host:$port" < /dev/null 2> /dev/null | only_certificates | encoded)
    [ -z "$found" ] || break
  done
  echo "served $name $port $found"
}
"""
)


def look(folder: PurePosixPath, copies: Sequence[KubeconfigCopy] = (), port: int = 6443) -> str:
    """The command; `copies` are those on this node, `port` is the API server's where its manifest does not say."""
    named = "\n".join(f"kubeconfig {shlex.quote(str(copy.path))} {copy.of}" for copy in copies)
    flags = r"\|".join(FILE_FLAGS)
    return f"""set -u
{TOOLS.replace("SECONDS", str(HANDSHAKE_SECONDS))}
folder={shlex.quote(str(folder))}
echo "now $(date +%s.%N)"
echo "hostname $(hostname)"
echo "kubeadm $(kubeadm version -o short 2> /dev/null)"
echo "addresses $(hostname -I 2> /dev/null)"
command -v openssl > /dev/null && echo "openssl yes" || echo "openssl no"
find "$folder/pki" -name '*.crt' -type f 2> /dev/null | sort | while read -r file; do certificate "$file"; done
flags=$(cat "$folder"/manifests/*.yaml {PARKED}/*.yaml 2> /dev/null | sed -n 's/^ *- //p'; systemctl show --property=ExecStart --value etcd.service 2> /dev/null | tr ' ' '\\n')
echo "$flags" | sed -n 's/^--\\({flags}\\)=//p' | sort -u | while read -r file; do
  case "$file" in "$folder"/pki/*.crt) ;; *) certificate "$file" ;; esac
done
for file in {KUBELET_PKI}/kubelet-client-current.pem {KUBELET_PKI}/kubelet-server-current.pem {KUBELET_PKI}/kubelet.crt; do certificate "$file"; done
for file in "$folder/pki/sa.pub" "$folder/pki/sa.key"; do
  [ ! -e "$file" ] || echo "written $file $(stat -L -c %Y "$file")"
  case "$file" in
    *.pub) [ ! -e "$file" ] || echo "signer $file public $(openssl pkey -pubin -pubout -outform DER < "$file" 2> /dev/null | encoded)" ;;
    *) [ ! -e "$file" ] || echo "signer $file private $(public < "$file")" ;;
  esac
done
for file in {" ".join(KUBECONFIGS)}; do kubeconfig "$folder/$file" ""; done
{named}
for pod in {" ".join(ORDER)}; do
  for place in active:"$folder"/manifests parked:{PARKED}; do
    file=${{place#*:}}/$pod.yaml
    if [ -e "$file" ]; then echo "manifest $pod ${{place%%:*}} $(encoded < "$file")"; break; fi
  done
  process $pod
done
process {KUBELET}
for name in serverTLSBootstrap rotateCertificates tlsCertFile; do
  sed -n "s/^$name: */setting $name /p" /var/lib/kubelet/config.yaml 2> /dev/null
done
own=$(hostname -I 2> /dev/null | tr ' ' '\\n' | head -n 3)
flag() {{ echo "$flags" | sed -n "s/^--$1=//p" | head -n 1; }}
at() {{ echo "$1" | tr ',' '\\n' | sed -n 's|^https://\\(.*\\):[0-9]*$|\\1|p'; }}
secure=$(sed -n 's/.*--secure-port=//p' "$folder/manifests/kube-apiserver.yaml" 2> /dev/null)
if [ -n "$(pids_of kube-apiserver)" ]; then served {API_SERVER} "${{secure:-{port}}}" 127.0.0.1 $own; fi
if [ -n "$(pids_of etcd)" ]; then
  served {ETCD} {CLIENT_PORT} $(at "$(flag listen-client-urls)") $own
  served {ETCD} {PEER_PORT} $(at "$(flag listen-peer-urls)") $own
fi
if [ -n "$(pids_of kube-controller-manager)" ]; then served {CONTROLLERS} {CONTROLLERS_PORT} 127.0.0.1 $own; fi
if [ -n "$(pids_of kube-scheduler)" ]; then served {SCHEDULER} {SCHEDULER_PORT} 127.0.0.1 $own; fi
if [ -n "$(pids_of kubelet)" ]; then served {KUBELET} {KUBELET_PORT} 127.0.0.1 $own; fi
unit=$(systemctl show --property=ExecStart --value etcd.service 2> /dev/null)
[ -z "$unit" ] || echo "unit $(echo "$unit" | encoded)"
true
"""


def parse(node: str, stdout: bytes, folder: PurePosixPath, *, now: datetime) -> NodeCertificates:
    """What `look` printed; days are counted from `now`."""
    return _Node(node, Printed.of(stdout), folder, now).facts()


@dataclass(frozen=True)
class _Node:
    """What a node printed, and how it belongs together."""

    name: str
    told: Printed
    folder: PurePosixPath
    now: datetime

    def facts(self) -> NodeCertificates:
        return NodeCertificates(
            name=self.name,
            observed_at=self.clock,
            hostname=self.told.one("hostname"),
            addresses=tuple(self.told.one("addresses").split()),
            advertises=self.flags.get(API_SERVER, {}).get("advertise-address", ""),
            openssl=self.told.one("openssl") == "yes",
            certificates=tuple(self.certificates()),
            public_keys=tuple(self.public_keys()),
            kubeconfigs=tuple(self.kubeconfigs()),
            served=tuple(self.served()),
            processes=self.processes,
            manifests={pod: place for pod, place, _ in self.manifests},
            manifest_sums={pod: sum_of(_without_signer(text).encode()) for pod, _, text in self.manifests},
            kubeadm=self.told.one("kubeadm"),
            kubelet=self.kubelet,
            external=tuple(self.external()),
        )

    @cached_property
    def clock(self) -> datetime:
        return datetime.fromtimestamp(float(self.told.one("now")), UTC) if self.told.one("now") else self.now

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Files with certificates, what is in them."""
        lines = [line.split(" ") for line in self.told.all("certificate")]
        return {words[0]: _decoded(words[4] if len(words) > 4 else "") for words in lines}  # noqa: PLR2004 - five words

    @cached_property
    def written(self) -> dict[str, datetime]:
        lines = [line.split(" ") for kind in ("certificate", "kubeconfig", "written") for line in self.told.all(kind)]
        return {words[0]: datetime.fromtimestamp(int(words[1]), UTC) for words in lines}

    @cached_property
    def keys(self) -> dict[str, str]:
        """File to the sum of the public half of its key; empty where that cannot be read."""
        return {path: sum_of(_decoded(text)) if text else "" for path, text in self.told.pairs("key")}

    @cached_property
    def manifests(self) -> list[tuple[str, str, str]]:
        """Static pod, where its manifest is, and its text."""
        lines = [line.split(" ") for line in self.told.all("manifest")]
        return [(words[0], words[1], _decoded(words[2]).decode(errors="replace")) for words in lines]

    @cached_property
    def flags(self) -> dict[str, dict[str, str]]:
        """Program to its flags."""
        unit = {ETCD: parse_flags(_decoded(self.told.one("unit")).decode(errors="replace").split())}
        return (unit if self.told.one("unit") else {}) | {pod: flags_of(text) for pod, _, text in self.manifests}

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        lines = [line.split(" ") for line in self.told.all("process")]
        return tuple(
            Process(
                name=words[0],
                started_at=datetime.fromtimestamp(float(words[1]), UTC).replace(microsecond=0),
                container=words[2] if len(words) > 2 else "",  # noqa: PLR2004 - three words
            )
            for words in lines
            if len(words) > 1 and words[1]
        )

    @cached_property
    def kubelet(self) -> KubeletSettings:
        told = dict(self.told.pairs("setting"))
        return KubeletSettings(
            rotates=told.get("rotateCertificates", "true") == "true",
            asks_for_serving=told.get("serverTLSBootstrap") == "true",
            serving_file=told.get("tlsCertFile", "").strip("\"'"),
        )

    def external(self) -> Iterator[str]:
        """Of a control plane node: a worker has the cluster's CA to check its clients by, and signs nothing."""
        if any(pod == API_SERVER for pod, _, _ in self.manifests):
            yield from (path for path in map(self.path_of, AUTHORITIES) if path in self.files and path not in self.keys)

    # --- files

    def certificates(self) -> Iterator[Certificate]:
        for path, text in self.files.items():
            found = list(described(text, path=path, kind=self.kind_of(path), now=self.now))
            behind = [raw for one, raw in found if raw and one.place and one.self_signed]
            for one, raw in found:
                yield self.judged(one, raw, self.name_of(path), self.authority_of(path), behind)
        for path, encoded in self.told.pairs("embedded"):
            if encoded:
                for one, raw in described(_decoded(encoded), path=path, kind=Kind.KUBECONFIG, now=self.now):
                    yield self.judged(one, raw, self.name_of(path), self.path_of("ca"))
        for path, encoded in self.told.pairs("trusted"):
            if encoded:
                for one, raw in described(_decoded(encoded), path=path, kind=Kind.TRUST, now=self.now):
                    yield self.judged(one, raw, "", "")

    def judged(
        self,
        one: Certificate,
        raw: x509.Certificate | None,
        name: str,
        authority: str,
        behind: Sequence[x509.Certificate] = (),
    ) -> Certificate:
        """`behind`: authorities that are in the same file after it, as a kubelet makes one for its own certificate."""
        key = self.keys.get(one.path) if not one.place and one.kind is not Kind.TRUST else None
        signers = self.authorities.get(authority, ())
        signer = signer_of(raw, signers) if raw and not one.self_signed else ""
        is_own = one.self_signed or bool(raw and not signer and signer_of(raw, behind))
        return one.model_copy(
            update={
                "node": self.name,
                "name": name,
                "pair": one.public_key == key if key else None,
                "authority": authority if signers else "",
                "signed": bool(signer) if raw and signers and not is_own else None,
                "signer": signer,
                "self_signed": is_own,
                "written_at": self.written.get(one.path),
            }
        )

    @cached_property
    def authorities(self) -> dict[str, tuple[x509.Certificate, ...]]:
        """CA files that can be read."""
        found: dict[str, tuple[x509.Certificate, ...]] = {}
        for path in map(self.path_of, AUTHORITIES):
            pairs = described(self.files.get(path, b""), path=path, kind=Kind.AUTHORITY, now=self.now)
            found[path] = tuple(raw for _, raw in pairs if raw)
        return found

    def path_of(self, authority: str) -> str:
        return str(self.folder / AUTHORITIES[authority])

    def kind_of(self, path: str) -> Kind:
        made = self.made(path)
        if made:
            return LEAVES[made].kind
        if path in map(self.path_of, AUTHORITIES) or path in self.named_as(TRUST_FLAGS):
            return Kind.AUTHORITY
        return Kind.CLIENT if "client" in PurePosixPath(path).name else Kind.SERVING

    def named_as(self, flags: Sequence[str]) -> set[str]:
        return {values[flag] for values in self.flags.values() for flag in flags if flag in values}

    def name_of(self, path: str) -> str:
        if made := self.made(path):
            return made
        if path.startswith(KUBELET_PKI):
            return KUBELET_CLIENT if "client" in path else KUBELET_SERVING
        return next((name for name, file in AUTHORITIES.items() if str(self.folder / file) == path), "")

    def made(self, path: str) -> str:
        """kubeadm's name for it; empty when it is none of kubeadm's."""
        return next((made.name for made in LEAVES.values() if str(self.folder / made.file) == path), "")

    def authority_of(self, path: str) -> str:
        if made := self.made(path):
            return self.path_of(LEAVES[made].authority)
        return self.path_of("ca") if path.startswith(KUBELET_PKI) else ""

    # --- what is no certificate

    def public_keys(self) -> Iterator[PublicKey]:
        for line in self.told.all("signer"):
            path, which, *encoded = line.split(" ")
            yield PublicKey(
                path=path,
                public_key=sum_of(_decoded(encoded[0])) if encoded else "",
                private=which == "private",
                written_at=self.written.get(path),
            )

    def kubeconfigs(self) -> Iterator[Kubeconfig]:
        for line in self.told.all("kubeconfig"):
            path, _, mode, owner, copy_of, *rest = line.split(" ")
            server, file = (*rest, "", "")[:2]
            yield Kubeconfig(
                path=path, server=server, names_file=file, copy_of=copy_of.strip("-"), mode=mode, owner=owner
            )
        for path, copy_of in self.told.pairs("no_kubeconfig"):
            yield Kubeconfig(path=path, copy_of=copy_of, missing=True)

    # --- the wire

    def served(self) -> Iterator[Served]:
        for line in self.told.all("served"):
            name, port, *encoded = line.split(" ")
            path = self.serves(name, int(port))
            text = _decoded(encoded[0]) if encoded else b""
            one, raw = next(described(text, path=path, kind=Kind.SERVING, now=self.now))
            yield Served(
                port=int(port),
                name=name,
                path=path,
                certificate=one.model_copy(update={"node": self.name}) if raw else None,
                process=next((process for process in self.processes if process.name == name), None),
                problem="" if raw else "it presents no certificate",
            )

    def serves(self, name: str, port: int) -> str:
        """The file that it was told to serve there; empty for none."""
        if name == KUBELET:
            own = (f"{KUBELET_PKI}/kubelet-server-current.pem", f"{KUBELET_PKI}/kubelet.crt")
            return self.kubelet.serving_file or next((path for path in own if path in self.files), "")
        flag = {CLIENT_PORT: "cert-file", PEER_PORT: "peer-cert-file"}.get(port, "tls-cert-file")
        return self.flags.get(name, {}).get(flag, "")


def _without_signer(manifest: str) -> str:
    return "\n".join(line for line in manifest.splitlines() if f"--{SIGNING_FLAG}=" not in line)


def parse_bundles(objects: Mapping[str, bytes], *, now: datetime) -> tuple[Certificate, ...]:
    """`caBundle`s by the object and field that they are in."""
    return tuple(
        one for path, text in objects.items() for one, _ in described(text, path=path, kind=Kind.TRUST, now=now)
    )


def bundles_in(item: Mapping[str, object], kind: str) -> Iterator[tuple[str, bytes]]:
    """Of a webhook configuration, an APIService or a CustomResourceDefinition: place and text of each `caBundle`."""
    metadata = item.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, Mapping) else ""
    yield from ((f"{kind}/{name} {place}".strip(), text) for place, text in _bundles(item, ""))


def _bundles(value: object, place: str) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, Mapping):
        label = str(value.get("name", place)) if "clientConfig" in value else place
        for key, inner in value.items():
            if key == "caBundle" and inner:
                yield place, _decoded(str(inner))
            else:
                yield from _bundles(inner, label)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _bundles(inner, place)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
