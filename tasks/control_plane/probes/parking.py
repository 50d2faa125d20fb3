"""What takes static pods away from kubelet, and gives them back: each script can be run again at any point."""

from tasks.control_plane.probes.look import ETCD, UNIT
from tasks.control_plane.probes.manifests import PROCESSES
from tasks.core.models.kubeadm import MANIFESTS, PARKED

GONE_SECONDS = 10
"""That a script waits before it answers that something still runs."""

DROP_IN = f"/etc/systemd/system/{UNIT}.d/50-kube-runbooks-parked.conf"

_HAS_POD = f"{{ [ -e {MANIFESTS}/{ETCD}.yaml ] || [ -e {PARKED}/{ETCD}.yaml ]; }}"

_CLIENT = "/etc/kubernetes/pki/apiserver-kubelet-client"
"""Any client is told: kubeadm's API servers have this one beside them. `--anonymous-auth=false` is common."""


def park(pods: tuple[str, ...], *, end: bool = False) -> str:
    """Takes static pods away from kubelet, or stops etcd's unit; prints those that still run after ten seconds.

    A kubelet that does not run would not notice: it is started. With `end` their processes are told to end, by SIGTERM, as
    kubelet does: without a manifest it starts none of them again. A workload's process of the same name is left alone.
    """
    moves = "\n".join(
        f"[ ! -e {MANIFESTS}/{pod}.yaml ] || mv -f {MANIFESTS}/{pod}.yaml {PARKED}/{pod}.yaml" for pod in pods
    )
    names = " ".join(pods)
    tell = f'for name in {names}; do for pid in $(pids_of "$name"); do kill "$pid" || true; done; done'
    return f"""set -eu
{PROCESSES}
sees_processes
mkdir -p -m 700 {PARKED}
{moves}
{_stop_unit() if ETCD in pods else ""}
! systemctl is-enabled --quiet kubelet 2> /dev/null || systemctl is-active --quiet kubelet || systemctl start kubelet
{tell if end else ""}
for try in $(seq {GONE_SECONDS * 5}); do
  left=""
  for name in {names}; do [ -z "$(pids_of "$name")" ] || left="$left $name"; done
  [ -n "$left" ] || break
  sleep 0.2
done
echo $left
"""


def unpark(pods: tuple[str, ...]) -> str:
    """Gives static pods back to kubelet, and etcd's unit to systemd.

    kubelet starts anew with it: it remembers that the pod had crashed, and would wait for up to five minutes.
    """
    moves = (
        f"[ ! -e {PARKED}/{pod}.yaml ] || {{ mv -f {PARKED}/{pod}.yaml {MANIFESTS}/{pod}.yaml; moved=yes; }}"
        for pod in pods
    )
    begin, restart = "set -eu; moved=no", "[ $moved = no ] || systemctl restart kubelet"
    return "\n".join([begin, *moves, restart, _start_unit() if ETCD in pods else ""]) + "\n"


def ready() -> str:
    """Prints 200 when the API server of this node says that it is ready. One that answers nobody without a name is asked as its own client."""
    return f"""port=$(sed -n 's/.*--secure-port=//p' /etc/kubernetes/manifests/kube-apiserver.yaml)
ready() {{ curl --insecure --silent --max-time 5 --output /dev/null --write-out '%{{http_code}}' "$@" "https://127.0.0.1:${{port:-6443}}/readyz"; }}
said=$(ready); case "$said" in 401 | 403) said=$(ready --cert {_CLIENT}.crt --key {_CLIENT}.key) ;; esac
echo "$said"
"""


def restart_kubelet() -> str:
    """Where there is one: a machine with etcd alone has none."""
    return "! systemctl is-enabled --quiet kubelet 2> /dev/null || systemctl restart kubelet\n"


def _stop_unit() -> str:
    """Stopped, and not started by a reboot in between. Beside a static pod a unit that does not run is nobody's member."""
    return f"""if systemctl cat {UNIT} > /dev/null 2>&1 && {{ systemctl is-active --quiet {UNIT} || ! {_HAS_POD}; }}; then
  mkdir -p "$(dirname {DROP_IN})"
  printf '[Unit]\\nConditionPathExists=!{PARKED}/{UNIT}\\n' > {DROP_IN}
  touch {PARKED}/{UNIT}
  systemctl daemon-reload; systemctl stop {UNIT}
fi"""


def _start_unit() -> str:
    """Does not wait: a member is up when there is a quorum. Beside a static pod only a unit that was stopped is started."""
    return f"""if [ -e {PARKED}/{UNIT} ]; then
  rm -f {DROP_IN}; systemctl daemon-reload; systemctl reset-failed {UNIT} || true
  systemctl start --no-block {UNIT}; rm -f {PARKED}/{UNIT}
elif systemctl cat {UNIT} > /dev/null 2>&1 && ! {_HAS_POD}; then systemctl start --no-block {UNIT}
fi"""
