"""Where a node has what, in its own words."""

from pathlib import PurePosixPath

import pytest

from tasks.core.probes.node_shape import parse, places_told
from tests.facts.shapes import API_SERVER, CONFIG, ETCD, PODS, WORDS, encoded, places, printed, shape_of


def test_a_node_of_kubeadm() -> None:
    """Nothing is a problem there."""
    shape = shape_of()
    assert shape.problems == ()
    assert (shape.is_control_plane, shape.pki, shape.hostname) == (True, PurePosixPath("/etc/kubernetes/pki"), "cp1")
    assert shape.kubelet.manifests == PurePosixPath("/etc/kubernetes/manifests")
    assert shape.parked == PurePosixPath("/etc/kubernetes/kube-runbooks-parked")
    assert shape.kubelet.healthz
    assert shape.kubelet.healthz.text == "127.0.0.1:10248"
    assert shape.kubelet.cluster_dns == ("10.96.0.10",)
    assert shape.api_server
    assert shape.api_server.text == "127.0.0.1:6443"
    assert shape.etcd
    assert (shape.etcd.client.text, shape.etcd.peer.text) == ("127.0.0.1:2379", "10.0.0.11:2380")
    assert shape.controller_manager
    assert shape.scheduler
    assert (shape.controller_manager.port, shape.scheduler.port) == (10257, 10259)
    assert shape.pods["kube-apiserver"].image == "registry.k8s.io/kube-apiserver:v1.37.2"


def test_a_worker_has_no_control_plane() -> None:
    """And that is no problem."""
    shape = shape_of("w1", pods={})
    assert (shape.is_control_plane, shape.pki, shape.api_server, shape.etcd, shape.controller_manager) == (
        *(False, None, None),
        *(None, None),
    )
    assert shape.problems == ()


def test_addresses_and_ports_are_those_of_the_flags() -> None:
    """Quoted, as two words, with one dash or an underscore, in `args`, or as IPv6."""
    api = API_SERVER.replace("--secure-port=6443", "--secure_port=8443").replace(
        "- --etcd-servers", "- --bind-address\n    - fd00:1::5\n    - --etcd-servers"
    )
    etcd = ETCD.replace(
        "- --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.11:2379",
        '- "-listen-client-urls=https://[fd00:1::5]:12379,https://[::1]:12379"',
    )
    shape = shape_of(pods={**PODS, "kube-apiserver": api, "etcd": etcd})
    assert shape.api_server
    assert shape.etcd
    assert (shape.api_server.text, shape.etcd.client.text) == ("[fd00:1::5]:8443", "[::1]:12379")


def test_a_path_is_that_of_the_node_not_that_of_the_container() -> None:
    """By the manifest's volumes."""
    mounted = f"""{API_SERVER}    volumeMounts:
    - {{mountPath: /etc/kubernetes/pki, name: pki}}
  volumes:
  - {{name: pki, hostPath: {{path: /srv/pki}}}}
"""
    assert shape_of(pods={"kube-apiserver": mounted}).pki == PurePosixPath("/srv/pki")
    assert shape_of(pods={"kube-apiserver": API_SERVER.replace("--client-ca", "--no-ca")}).pki is None


def test_flags_of_the_kubelet_win_over_its_configuration() -> None:
    """As the kubelet has it."""
    config = CONFIG.replace("10248", "10300").replace("healthzBindAddress: 127.0.0.1", "healthzBindAddress: fd00::7")
    shape = shape_of(config=config, words=f"{WORDS}--cert-dir=/srv/kubelet\n--address\n::\n--port=10260\n")
    assert shape.kubelet.healthz
    assert shape.kubelet.healthz.text == "[fd00::7]:10300"
    assert (str(shape.kubelet.pki), shape.kubelet.address.text) == ("/srv/kubelet", "[::1]:10260")
    assert shape_of(words=f"{WORDS}--healthz-port=0").kubelet.healthz is None
    assert shape_of(config=CONFIG.replace("10248", "0")).kubelet.healthz is None


def test_a_look_goes_where_the_kubelet_says() -> None:
    """Its configuration, the folder with more of it, and its static pods."""
    words = "/usr/bin/kubelet\n--config=/srv/kubelet.yaml\n--config-dir\n/srv/kubelet.d\n"
    told = places_told(printed(words=words, config=None), places())
    assert (str(told.config), told.config_dir) == ("/srv/kubelet.yaml", "/srv/kubelet.d")
    config = CONFIG.replace("/etc/kubernetes/manifests", "/srv/pods")
    told = places_told(printed(config=config), places())
    assert (str(told.manifests), str(told.parked)) == ("/srv/pods", "/srv/kube-runbooks-parked")
    dropin = f"dropin /srv/kubelet.d/1.conf {encoded('staticPodPath: /srv/more')}"
    assert str(places_told(printed(more=dropin), places()).manifests) == "/srv/more"


def test_a_link_is_followed() -> None:
    """So that what is put aside is on the same file system."""
    shape = parse("cp1", printed(real="/srv/manifests"), places())
    assert (str(shape.kubelet.manifests), str(shape.parked)) == ("/srv/manifests", "/srv/kube-runbooks-parked")


def test_what_is_parked_is_of_a_control_plane_node_too() -> None:
    """A run that died has put it there; what is active wins."""
    shape = parse("cp1", printed(pods={}, parked=PODS), places())
    assert (shape.is_control_plane, shape.pods["etcd"].parked) == (True, True)
    assert not parse("cp1", printed(parked=PODS), places()).pods["etcd"].parked


def test_the_unit_says_it_where_the_kubelet_does_not_run() -> None:
    """Its environment, with the quotes of systemctl."""
    environment = '"A=--kubeconfig=/srv/k.conf --cert-dir=/srv/pki" B=--config=/srv/c.yaml'
    shape = parse("cp1", printed(words="", more=f"environment {encoded(environment)}"), places())
    assert (str(shape.kubelet.kubeconfig), str(shape.kubelet.config)) == ("/srv/k.conf", "/srv/c.yaml")
    assert shape.problems == ()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (printed(words=""), "no flags of the kubelet: it does not run, and its unit names none"),
        (printed(config=None), "/var/lib/kubelet/config.yaml could not be read: the kubelet's defaults are assumed"),
        (
            printed(config=None, more="absent /var/lib/kubelet/config.yaml"),
            "/var/lib/kubelet/config.yaml is not there: the kubelet's defaults are assumed",
        ),
        (printed(config="- a"), "/var/lib/kubelet/config.yaml is no KubeletConfiguration"),
        (printed(config="healthzPort: x"), "healthzPort is 'x', which is no port: 10248 is assumed"),
        (printed(more="unread /etc/kubernetes/manifests/x.yaml"), "/etc/kubernetes/manifests/x.yaml could not be read"),
        (printed(pods={"etcd": "{"}), "the manifest of etcd: it has no flags that are understood"),
        (
            printed(pods={"etcd": ETCD.replace("https://127.0.0.1:2379,", "")}),
            None,
        ),
        (
            printed(pods={"etcd": ETCD.replace("listen-peer-urls", "listen-nothing")}),
            "the manifest of etcd: it listens at no address",
        ),
        (
            printed(pods={"kube-apiserver": API_SERVER.replace("port=6443", "port=x")}),
            "the manifest of kube-apiserver: --secure-port=x is no port",
        ),
    ],
)
def test_what_is_not_found_or_not_understood_is_a_problem(given: bytes, problem: str | None) -> None:
    """With its reason; never a crash, and never silence."""
    assert parse("cp1", given, places()).problems == ((problem,) if problem else ())


def test_configuration_that_is_no_yaml_is_a_problem() -> None:
    """With the parser's words."""
    (problem,) = parse("cp1", printed(config="a: {"), places()).problems
    assert problem.startswith("/var/lib/kubelet/config.yaml is not YAML")


def test_a_port_that_is_switched_off_is_no_address() -> None:
    """`--secure-port=0` of a scheduler."""
    off = PODS["kube-scheduler"].replace("--bind-address=127.0.0.1", "--secure-port=0")
    assert shape_of(pods={**PODS, "kube-scheduler": off}).scheduler is None


SCHEDULER_CONFIG = """\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: /etc/sched/asks-by.conf}
"""
CONFIGURED = """\
spec:
  containers:
  - command: [kube-scheduler, --config=/etc/sched/config.yaml, --kubeconfig=/etc/kubernetes/scheduler.conf]
    volumeMounts: [{mountPath: /etc/sched, name: own}]
  volumes: [{name: own, hostPath: {path: /srv/scheduler}}]
"""
"""As kube-scheduler v1.36 reads it: --kubeconfig is ignored, and ports are those of flags."""


def test_a_schedulers_configuration_is_looked_at_where_the_node_has_it() -> None:
    """In a second look; the first one does not know of it."""
    first = printed(pods={**PODS, "kube-scheduler": CONFIGURED})
    told = places_told(first, places())
    assert told.pod_configs == "kube-scheduler /srv/scheduler/config.yaml"
    assert places_told(b"manifest kube-scheduler no base64", places()).pod_configs == ""
    again = printed(
        pods={**PODS, "kube-scheduler": CONFIGURED}, more=f"pod_config kube-scheduler {encoded(SCHEDULER_CONFIG)}"
    )
    assert places_told(again, told) == told
    shape = parse("cp1", again, told)
    assert shape.problems == ()
    assert shape.pods["kube-scheduler"].kubeconfig == PurePosixPath("/srv/scheduler/asks-by.conf")
    assert shape.pods["kube-controller-manager"].kubeconfig is None
    assert shape.scheduler
    assert shape.scheduler.text == "127.0.0.1:10259"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("absent /srv/scheduler/config.yaml", "is not there"),
        ("unread /srv/scheduler/config.yaml", "could not be read"),
        (f"pod_config kube-scheduler {encoded('a: [')}", "is not YAML"),
        (f"pod_config kube-scheduler {encoded('clientConnection: 7')}", "could not be parsed"),
        (
            f"pod_config kube-scheduler {encoded('kind: KubeSchedulerConfiguration')}",
            "names no clientConnection.kubeconfig",
        ),
    ],
)
def test_a_schedulers_configuration_that_is_not_understood_is_a_problem(more: str, why: str) -> None:
    """Its flag is assumed, which the program itself ignores."""
    shape = parse("cp1", printed(pods={"kube-scheduler": CONFIGURED}, more=more), places())
    pod = shape.pods["kube-scheduler"]
    assert f"its configuration /srv/scheduler/config.yaml {why}" in pod.config_problem
    assert f"kube-scheduler: {pod.config_problem}" in shape.problems
    assert pod.kubeconfig == PurePosixPath("/etc/kubernetes/scheduler.conf")
