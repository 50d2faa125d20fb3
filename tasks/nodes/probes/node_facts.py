"""A machine as an upgrade or a patch has to know it: one question over SSH, which changes nothing, and its parser."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tasks.control_plane.probes.manifests import PROCESSES, image_of
from tasks.core.models.folders import CA_ROTATIONS
from tasks.core.probes.printed import Printed
from tasks.nodes.models.nodes import NodeFacts, PackageManager, Packages, StaticPod

PROGRAMS = ("kubeadm", "kubelet", "kubectl")
FLAG_FILES = ("/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet", "/etc/sysconfig/kubelet")
UNITS = ("kubelet", "containerd", "crio", "docker")
"""Which of the runtimes is the node's own, the API knows: `tasks/node_work/policy/health.py`."""
KUBELET_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"

MINOR_IN_REPOSITORY = r"core:/stable:/v[0-9]*\.[0-9]*"
"""How the community's repositories, and mirrors of them, name the minor that they hold."""

ASK_SECONDS = 20
"""For the repository of the target."""

LOOK_AT_APT = r"""
echo "manager apt"
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' NAMES 2> /dev/null | while read -r name version state; do
  case "$state" in ?i*) echo "installed $name $version" ;; esac
done
for name in $(apt-mark showhold NAMES 2> /dev/null); do echo "held $name"; done
dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' | sed -n 's/^.[UHFWt].*|/broken /p'
for file in $(grep -ls 'MINOR' /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources); do
  grep -v '^[ \t]*#' "$file" | grep -o 'MINOR' | head -n 1 | sed "s|.*/v|repository $file |"
done
[ -n "$target" ] || exit 0
mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial"
for file in $(grep -ls 'MINOR' /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources); do
  case "$file" in *.sources) to=target.sources ;; *) to=target.list ;; esac
  grep 'MINOR\|^[A-Z][A-Za-z-]*:\|^ ' "$file" | sed "s|MINOR|core:/stable:/v$target|" > "$work/parts/$to"
done
ask() {
  command=$1; shift
  timeout SECONDS "$command" -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/parts" -o "Dir::State::Lists=$work/lists" \
    -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root -o Acquire::Retries=0 -o Acquire::http::Timeout=10 "$@"
}
if said=$(ask apt-get -qq update 2>&1) && ! echo "$said" | grep -q '^[EW]:'; then
  ask apt-cache madison NAMES | sed 's/ //g' | while IFS='|' read -r name version place; do echo "candidate $name $version"; done
else
  echo "repository_problem $(echo "$said" | tail -n 2 | tr '\n' ' ')"
fi
"""

LOOK_AT_DNF = r"""
echo "manager dnf"
rpm -q --qf 'installed %{NAME} %{VERSION}-%{RELEASE}\n' NAMES 2> /dev/null | grep '^installed'
for name in $(dnf -q versionlock list 2> /dev/null | sed -n 's/^\([a-z]*\)-[0-9].*/\1/p'); do echo "held $name"; done
for file in $(grep -ls 'MINOR' /etc/yum.repos.d/*.repo); do
  grep -v '^#' "$file" | grep -o 'MINOR' | head -n 1 | sed "s|.*/v|repository $file |"
done
[ -n "$target" ] || exit 0
mkdir -p "$work/parts"
for file in $(grep -ls 'MINOR' /etc/yum.repos.d/*.repo); do
  sed "s|MINOR|core:/stable:/v$target|; /^exclude=/d" "$file" > "$work/parts/target.repo"
done
if said=$(timeout SECONDS dnf -q --setopt=reposdir="$work/parts" --setopt=cachedir="$work/cache" --showduplicates list --available NAMES 2>&1); then
  echo "$said" | sed -n 's/^\([a-z]*\)\.[a-z0-9_]* *\([^ ]*\).*/candidate \1 \2/p'
else
  echo "repository_problem $(echo "$said" | tail -n 2 | tr '\n' ' ')"
fi
"""


def look(target_minor: str = "") -> str:
    """The command. With a target, for example 1.37, it also asks that minor's repository, beside the node's own files."""
    return "\n".join([_HEAD, glance(), _SYSTEM, _PKI, _packages_of(target_minor), "true\n"])


def glance() -> str:
    """The part of it that tells in a moment whether the node is well: boot, units, static pods, its own API server, jobs."""
    return f"""set -u
echo "now $(date +%s.%N)"
encoded() {{ base64 -w0; }}
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
for unit in {" ".join(UNITS)}; do systemctl is-active --quiet $unit && echo "active $unit yes" || echo "active $unit no"; done
for file in /etc/kubernetes/manifests/*.yaml; do
  [ ! -e "$file" ] || echo "manifest $(basename "$file" .yaml) $(encoded < "$file")"
done
if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
  port=$(sed -n 's/.*--secure-port=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
  pki=/etc/kubernetes/pki
  ask() {{ curl --silent --max-time 5 --connect-to ::127.0.0.1:"${{port:-6443}}" --cacert $pki/ca.crt --cert $pki/apiserver-kubelet-client.crt \\
    --key $pki/apiserver-kubelet-client.key "$@"; }}
  echo "api_ready $(ask --output /dev/null --write-out '%{{http_code}}' https://kubernetes:"${{port:-6443}}"/readyz)"
  echo "api_version $(ask https://kubernetes:"${{port:-6443}}"/version | sed -n 's/.*"gitVersion": "\\([^"]*\\)".*/\\1/p')"
fi
systemctl list-units --no-legend --plain --state=active,activating,deactivating 'kube-runbooks-*' | sed -n 's/^kube-runbooks-\\([^ ]*\\)\\.service.*/job \\1/p'
"""


_HEAD = "# Everything that an upgrade asks of a machine; changes nothing."


def what_runs() -> str:
    """The part that has each process say its version by its own program, also one that a package has replaced meanwhile."""
    return """for unit in kubelet containerd; do
  pid=$(systemctl show --property=MainPID --value $unit)
  [ "${pid:-0}" = 0 ] || echo "runs $unit $(timeout 10 bash -c "exec -a $unit /proc/$pid/exe --version" 2> /dev/null | head -n 1)"
done
"""


def version_that_runs(stdout: bytes, unit: str) -> str:
    """Of what `what_runs` printed; empty where nothing runs, or what runs is not that program itself (a wrapper)."""
    said = dict(Printed.of(stdout).pairs("runs")).get(unit, "")
    return version_in(said) if said.startswith(CALLED[unit]) else ""


CALLED = {"kubelet": "Kubernetes v", "containerd": "containerd "}
"""How the programs begin to say their version."""

_SYSTEM = f"""{PROCESSES}
echo "kernel $(uname -r)"
sed -n 's/^\\(ID\\|ID_LIKE\\|VERSION_ID\\)=/os_\\1 /p' /etc/os-release | tr -d '"'
echo "cgroup $(stat -fc %T /sys/fs/cgroup)"
[ "$(wc -l < /proc/swaps)" -le 1 ] || echo "swap yes"
echo "kubeadm $(kubeadm version -o short 2> /dev/null)"
echo "kubelet $(kubelet --version 2> /dev/null)"
echo "kubectl $(kubectl version --client 2> /dev/null | head -n 1)"
echo "containerd $(containerd --version 2> /dev/null)"
{what_runs()}free() {{ # of the file system that has, or will have, the path
  path=$1; while [ ! -e "$path" ]; do path=$(dirname "$path"); done
  df --output=avail -B1 "$path" | tail -n 1 | tr -d ' '
}}
for path in /var/lib /etc/kubernetes; do echo "free $path $(free $path)"; done
pid=$(main_pid kubelet.service); [ -z "$pid" ] || echo "flags $(tr '\\0' '\\n' < /proc/$pid/cmdline | sed -n 's/^--\\([^=]*\\).*/\\1/p' | tr '\\n' ' ')"
for file in {" ".join(FLAG_FILES)}; do
  [ ! -e $file ] || echo "flag_file $file $(grep -v '^#' $file | grep -oe '--[a-z][a-z0-9-]*' | sed 's/^--//' | tr '\\n' ' ')"
done
sed -n 's/^\\(failCgroupV1\\|failSwapOn\\): */config \\1 /p' /var/lib/kubelet/config.yaml 2> /dev/null
data=$(sed -n 's/.*--data-dir=//p' /etc/kubernetes/manifests/etcd.yaml 2> /dev/null)
[ -z "$data" ] || echo "etcd_bytes $(du -sb "$data" 2> /dev/null | cut -f1)"
"""

_PKI = f"""for file in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt; do
  [ ! -e "$file" ] || echo "certificate $file $(encoded < "$file")"
done
for file in /etc/kubernetes/*.conf; do
  [ ! -e "$file" ] || sed -n "s|^ *client-certificate-data: |certificate $file |p" "$file"
done
for half in {CA_ROTATIONS}/*/new.pem; do
  case "$half" in *-ended-*) ;; *) [ ! -e "$half" ] || echo "ca_rotation $(basename "$(dirname "$half")")" ;; esac
done
[ ! -e {KUBELET_CERTIFICATE} ] || echo "certificate {KUBELET_CERTIFICATE} $(sed -n '/BEGIN CERT/,/END CERT/p' {KUBELET_CERTIFICATE} | encoded)"
"""


def _packages_of(target_minor: str) -> str:
    names = " ".join(PROGRAMS)

    def filled(script: str) -> str:
        return script.replace("NAMES", names).replace("MINOR", MINOR_IN_REPOSITORY).replace("SECONDS", str(ASK_SECONDS))

    return f"""target={target_minor}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
if command -v apt-get > /dev/null; then
{filled(LOOK_AT_APT)}
elif command -v dnf > /dev/null; then
{filled(LOOK_AT_DNF)}
fi
"""


def parse(node: str, stdout: bytes, *, asked: datetime, answered: datetime) -> NodeFacts:
    """What `look` printed; the worker's clock right before the question and right after the answer."""
    told = Printed.of(stdout)
    certificates = _certificates(told.pairs("certificate"))
    config = dict(told.pairs("config"))
    return NodeFacts(
        name=node,
        observed_at=answered,
        clock_offset=_offset(told.one("now"), asked, answered),
        boot_id=told.one("boot"),
        os=told.one("os_ID"),
        os_like=tuple(told.one("os_ID_LIKE").split()),
        os_version=told.one("os_VERSION_ID"),
        kernel=told.one("kernel"),
        cgroup_version=2 if told.one("cgroup") == "cgroup2fs" else 1,
        swap=told.one("swap") == "yes",
        kubeadm=version_in(told.one("kubeadm")),
        kubelet=version_in(told.one("kubelet")),
        kubectl=version_in(told.one("kubectl")),
        containerd=version_in(told.one("containerd")),
        kubelet_runs=version_that_runs(stdout, "kubelet"),
        containerd_runs=version_that_runs(stdout, "containerd"),
        packages=_packages(told),
        free_bytes={path: int(free) for path, free in told.pairs("free") if free.isdigit()},
        etcd_bytes=int(told.one("etcd_bytes") or 0),
        kubelet_flags=tuple(told.one("flags").split()),
        flag_files={file: tuple(flags.split()) for file, flags in told.pairs("flag_file")},
        fail_cgroup_v1=_truth(config.get("failCgroupV1")),
        fail_swap_on=_truth(config.get("failSwapOn")),
        active={unit: state == "yes" for unit, state in told.pairs("active")},
        static_pods=tuple(
            StaticPod(name=name, image=image_of(_decoded(text).decode(errors="replace")))
            for name, text in told.pairs("manifest")
        ),
        certificates={path: found.not_valid_after_utc for path, found in certificates.items()},
        cluster_ca=certificates[_CA].fingerprint(SHA256()).hex() if _CA in certificates else "",
        api_ready=told.one("api_ready"),
        api_version=version_in(told.one("api_version")),
        ca_rotations=told.all("ca_rotation"),
        jobs=told.all("job"),
    )


_CA = "/etc/kubernetes/pki/ca.crt"


def version_in(text: str) -> str:
    """The first version in what a program says of itself, without v: 1.36.3."""
    found = re.search(r"\bv?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)", text)
    return found[1] if found else ""


def _packages(told: Printed) -> Packages:
    manager = told.one("manager")
    return Packages(
        manager=PackageManager(manager),
        installed=dict(told.pairs("installed")),
        held=told.all("held"),
        repositories=dict(told.pairs("repository")),
        candidates=_grouped(told.pairs("candidate")),
        problem=told.one("repository_problem"),
        broken=told.all("broken"),
    )


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys(value for other, value in pairs if other == name)) for name, _ in pairs}


def _offset(now: str, asked: datetime, answered: datetime) -> timedelta:
    """Zero while the node's time lies between question and answer: nothing more can be known."""
    there = datetime.fromtimestamp(float(now), UTC) if now else asked
    return max(there - answered, timedelta()) or min(there - asked, timedelta())


def _certificates(pairs: Iterable[tuple[str, str]]) -> dict[str, x509.Certificate]:
    """By path; what cannot be read is not there."""
    found = {}
    for path, text in pairs:
        try:
            found[path] = x509.load_pem_x509_certificate(_decoded(text))
        except ValueError:
            continue
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _truth(text: str | None) -> bool | None:
    return None if text is None else text == "true"
