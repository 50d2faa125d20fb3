"""What an upgrade has a node do: each script looks at what is there first, so that it can be run again at any point."""

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.core.models.folders import UPGRADES
from tasks.nodes.models.nodes import PackageManager
from tasks.nodes.probes.node_facts import FLAG_FILES, MINOR_IN_REPOSITORY, PROGRAMS

"""On the node: a folder for each version with packages, the new kubeadm and the holds that were found."""

LOCK_SECONDS = 300
"""That another package manager may take."""

APT = (
    "DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 apt-get -y -q "
    f"-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout={LOCK_SECONDS}"
)
UPGRADED = "upgraded"
"""In a version's folder: kubeadm came to its end there. Manifests alone do not say so, there are phases after them."""

KUBEADM_COPIES = (
    "kubeadm-backup-etcd-",
    "kubeadm-backup-manifests-",
    "kubeadm-upgraded-manifests",
    "kubeadm-kubelet-config",
)
"""How the names of folders begin in /etc/kubernetes/tmp; that of etcd is as large as its database."""

HEALTHY_SECONDS = 60
"""That a kubelet has, to say that it is healthy after its start."""


def folder_of(version: str) -> str:
    """Of a version's packages on a node."""
    return f"{UPGRADES}/v{version}"


def minor_of(version: str) -> str:
    """1.37 of 1.37.2."""
    return ".".join(version.split(".")[:2])


def stage(manager: PackageManager, version: str, configuration: str) -> str:
    """The job that downloads packages and images of a version, and changes nothing of what runs.

    `configuration` is the cluster's ClusterConfiguration with the version: the images come from where the cluster's do. Prints
    `image NAME` for each that kubeadm of that version wants.
    """
    fetch = _FETCH[manager].replace("VERSION", version).replace("NAMES", " ".join(PROGRAMS))
    return f"""set -eu
umask 022
version={version} minor={minor_of(version)} dir={folder_of(version)}
mkdir -p "$dir"; cd "$dir"
{fetch.replace("MINOR", MINOR_IN_REPOSITORY)}
[ "$(./kubeadm version -o short)" = v{version} ] || {{ echo "the package's kubeadm says $(./kubeadm version -o short)"; exit 1; }}
cat > cluster.yaml <<'KUBE_RUNBOOKS'
{configuration}
KUBE_RUNBOOKS
./kubeadm config images list --config cluster.yaml > images
if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || ! command -v crictl > /dev/null; then
  ./kubeadm config images pull --config cluster.yaml || exit 75
else
  for image in $(grep 'kube-proxy\\|coredns\\|pause' images); do crictl pull "$image" || exit 75; done
fi
sed 's/^/image /' images
touch staged
"""


_FETCH_APT = """\
if [ ! -e fetched ]; then
  rm -rf parts lists cache; mkdir -p parts lists/partial cache/archives/partial
  for file in $(grep -ls 'MINOR' /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources); do
    case "$file" in *.sources) to=target.sources ;; *) to=target.list ;; esac
    grep 'MINOR\\|^[A-Z][A-Za-z-]*:\\|^ ' "$file" | sed "s|MINOR|core:/stable:/v$minor|" > "parts/$to"
  done
  private() { APT_GET -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$dir/parts" -o "Dir::State::Lists=$dir/lists" \\
    -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root -o Acquire::Retries=2 "$@"; }
  private update 2>&1 | tee update.log; ! grep -q '^[EW]:' update.log || exit 75
  private install --download-only --reinstall --allow-change-held-packages --allow-downgrades $(for name in NAMES; do echo "$name=VERSION-*"; done) || exit 75
  touch fetched
fi
rm -rf unpacked; dpkg-deb -x cache/archives/kubeadm_VERSION-*.deb unpacked; mv unpacked/usr/bin/kubeadm kubeadm; rm -rf unpacked
""".replace("APT_GET", APT)

_FETCH_DNF = """\
if [ ! -e fetched ]; then
  mkdir -p parts packages
  for file in $(grep -ls 'MINOR' /etc/yum.repos.d/*.repo); do
    sed "s|MINOR|core:/stable:/v$minor|; /^exclude=/d" "$file" > parts/target.repo
  done
  dnf -y --setopt=reposdir="$dir/parts" download --resolve --destdir packages $(for name in NAMES; do echo "$name-VERSION"; done) || exit 75
  touch fetched
fi
rm -rf unpacked; mkdir unpacked; (cd unpacked; rpm2cpio ../packages/kubeadm-VERSION-*.rpm | cpio -idm --quiet); mv unpacked/usr/bin/kubeadm kubeadm; rm -rf unpacked
"""

_FETCH = {PackageManager.APT: _FETCH_APT, PackageManager.DNF: _FETCH_DNF}


def switch_repository(manager: PackageManager, version: str) -> str:
    """Has the node's own repository files name the minor; once they do, nothing is done."""
    files = {
        PackageManager.APT: "/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources",
        PackageManager.DNF: "/etc/yum.repos.d/*.repo",
    }[manager]
    minor = f"core:/stable:/v{minor_of(version)}"
    return f"""set -eu
for file in $(grep -ls '{MINOR_IN_REPOSITORY}' {files}); do
  sed "s|{MINOR_IN_REPOSITORY}|{minor}|g" "$file" > "$file.kube-runbooks"
  if cmp -s "$file" "$file.kube-runbooks"; then rm "$file.kube-runbooks"
  else chmod --reference="$file" "$file.kube-runbooks"; mv "$file.kube-runbooks" "$file"; fi
done
"""


def install(manager: PackageManager, version: str, names: Sequence[str]) -> str:
    """Packages that were staged, and the holds as they were found, also when it was cut off in between."""
    words = shlex.join(names)
    act = {
        PackageManager.APT: f"{APT} install --allow-change-held-packages --allow-downgrades --no-remove "
        '$(for name in NAMES; do ls "$dir"/cache/archives/"$name"_VERSION-*.deb; done) '
        '$(ls "$dir"/cache/archives/*.deb | grep -v "/\\(kubeadm\\|kubelet\\|kubectl\\)_" || true)',
        PackageManager.DNF: "dnf -y --disableexcludes=all --setopt=disable_excludes='*' install "
        '$(for name in NAMES; do ls "$dir"/packages/"$name"-VERSION-*.rpm; done) '
        '$(ls "$dir"/packages/*.rpm | grep -v "/\\(kubeadm\\|kubelet\\|kubectl\\)-" || true)',
    }[manager]
    held = {
        PackageManager.APT: ("apt-mark showhold NAMES", "apt-mark hold $held > /dev/null"),
        PackageManager.DNF: (
            "dnf -q versionlock list 2> /dev/null | sed -n 's/^\\([a-z]*\\)-[0-9].*/\\1/p' | grep -x 'NAMES_OR' || true",
            "dnf -q versionlock add $held > /dev/null",
        ),
    }[manager]
    show, hold = (text.replace("NAMES_OR", "\\|".join(names)).replace("NAMES", words) for text in held)
    return f"""set -eu
dir={folder_of(version)} holds={folder_of(version)}/holds-{"-".join(names)}
[ -e "$holds" ] || {{ {show} > "$holds.new"; mv "$holds.new" "$holds"; }}
{act.replace("NAMES", words).replace("VERSION", version)}
held=$(cat "$holds")
[ -z "$held" ] || {hold}
rm "$holds"
"""


def is_upgraded(version: str) -> str:
    """Exit status 0 when kubeadm has come to its end on this node."""
    return f"test -e {folder_of(version)}/{UPGRADED}\n"


def upgrade_by_kubeadm(version: str, *, apply: bool, ignored: Sequence[str]) -> str:
    """The job that has kubeadm upgrade this node: the first control plane by `apply`, all other nodes by `node`."""
    flags = f" --ignore-preflight-errors={','.join(ignored)}" if ignored else ""
    words = f"kubeadm upgrade apply v{version} --yes" if apply else "kubeadm upgrade node"
    return f"""set -eu
[ "$(kubeadm version -o short)" = v{version} ] || {{ echo "kubeadm is $(kubeadm version -o short)"; exit 1; }}
{words}{flags} 2>&1
mkdir -p {folder_of(version)}; touch {folder_of(version)}/{UPGRADED}
"""


KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
KUBELET_SERVER = f"{UPGRADES}/kubelet-server"
"""On the node: the API server that its kubelet asked before, and the endpoint that it asks meanwhile."""


def point_kubelet_at(endpoint: str) -> str:
    """Has the kubelet ask the control plane's endpoint, not the API server beside it; prints `changed` unless it does so already.

    Where it asks its own, it starts a new etcd only once that one has answered about the mirror pod of the old one, which without
    etcd it does not for 60 s (`tryReconcileMirrorPods` of the kubelet). Nothing is changed where the endpoint does not answer.
    """
    return rf"""set -eu
endpoint={shlex.quote(f"https://{endpoint}")}
server=$(sed -n 's/^ *server: *//p' {KUBELET_CONF})
before="" meanwhile=""; [ ! -e {KUBELET_SERVER} ] || read -r before meanwhile < {KUBELET_SERVER} || true
[ "$meanwhile" = "$server" ] || rm -f {KUBELET_SERVER}  # of another time: somebody has changed it since
[ "$server" != "$endpoint" ] && [ "$(echo "$server" | wc -l)" = 1 ] || exit 0
curl --silent --max-time 5 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt "$endpoint/readyz" || exit 0
mkdir -p {UPGRADES}
[ "$meanwhile" = "$server" ] || before=$server
echo "$before $endpoint" > {KUBELET_SERVER}.new; mv {KUBELET_SERVER}.new {KUBELET_SERVER}
sed -i "s|server: *$server\$|server: $endpoint|" {KUBELET_CONF}
systemctl restart kubelet
echo changed
"""


def point_kubelet_back() -> str:
    """As it was before `point_kubelet_at`; kubeadm does the same at the end of an upgrade, and then nothing is left to do.

    What an upgrade that died has left is written back only where the kubelet still asks what that one had it ask.
    """
    return rf"""set -eu
[ -e {KUBELET_SERVER} ] || exit 0
server="" meanwhile=""; read -r server meanwhile < {KUBELET_SERVER} || true
if [ -n "$meanwhile" ] && [ "$(sed -n 's/^ *server: *//p' {KUBELET_CONF})" = "$meanwhile" ]; then
  sed -i "s|server: .*|server: $server|" {KUBELET_CONF}
  systemctl restart kubelet
fi
rm {KUBELET_SERVER}
"""


def restart_kubelet(version: str) -> str:
    """Until it says that it is healthy, of that version."""
    return f"""set -eu
[ "$(kubelet --version)" = "Kubernetes v{version}" ] || {{ echo "kubelet is $(kubelet --version)"; exit 1; }}
systemctl daemon-reload
echo "restarted $(date +%s.%N)"
systemctl restart kubelet
port=$(sed -n 's/^healthzPort: *//p' /var/lib/kubelet/config.yaml)
for try in $(seq {HEALTHY_SECONDS}); do
  [ "$(curl --silent --max-time 2 http://127.0.0.1:${{port:-10248}}/healthz)" = ok ] && exit 0
  sleep 1
done
echo "kubelet does not say that it is healthy"; journalctl -u kubelet -n 40 --no-pager -o cat
exit 1
"""


def trim_backups(keep: int) -> str:
    """Prints what it removes of kubeadm's copies from before upgrades: of each kind all but the newest ones."""
    return f"""set -eu
cd /etc/kubernetes/tmp 2> /dev/null || exit 0
for kind in {" ".join(KUBEADM_COPIES)}; do
  ls -dt "$kind"* 2> /dev/null | tail -n +{keep + 1} | while IFS= read -r name; do rm -rf -- "./$name"; echo "$name"; done
done
"""


def evidence(unit_lines: int = 150) -> str:
    """What a failed node has to say: kubelet's journal, containers, manifests against kubeadm's copy of the old ones."""
    return f"""set +e
echo "== kubelet"; systemctl status kubelet --no-pager -n 0; journalctl -u kubelet -n {unit_lines} --no-pager -o short-iso
echo "== flags"; head -v -n 20 {" ".join(FLAG_FILES)} 2> /dev/null
echo "== processes"; ps -eo pid,etime,comm | grep -E 'kube|etcd|containerd'
if command -v crictl > /dev/null; then echo "== containers"; crictl ps -a | head -n 40; fi
for pod in kube-apiserver etcd kube-controller-manager kube-scheduler; do
  log=$(ls -t /var/log/pods/kube-system_$pod-*/*/*.log 2> /dev/null | head -n 1)
  [ -z "$log" ] || {{ echo "== $log"; tail -n 40 "$log"; }}
done
old=$(ls -dt /etc/kubernetes/tmp/kubeadm-backup-manifests-* 2> /dev/null | head -n 1)
[ -z "$old" ] || {{ echo "== manifests, the old ones in $old"; diff -u "$old" /etc/kubernetes/manifests; }}
true
"""


ROLLED_BACK = re.compile(r"kubeadm has tried to recover everything into the earlier state")
"""What kubeadm says when it has put the old manifests back."""


def parse_restarted(output: str, otherwise: datetime) -> datetime:
    """The node's clock when its kubelet was restarted, of what `restart_kubelet` printed."""
    found = re.search(r"^restarted (\d+\.\d+)$", output, re.MULTILINE)
    return datetime.fromtimestamp(float(found[1]), UTC) if found else otherwise


def parse_images(output: str) -> tuple[str, ...]:
    """Of what `stage` printed."""
    return tuple(line.removeprefix("image ") for line in output.splitlines() if line.startswith("image "))
