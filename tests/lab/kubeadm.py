"""From machines to a cluster: packages, `kubeadm init`, `kubeadm join`, and an etcd of its own where it is external."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import yaml

from tests.lab import images, odd, packages
from tests.lab.machine import Machine
from tests.lab.services import LOAD_BALANCER
from tests.lab.shape import ALL_PODS, ALL_SERVICES, Place, Role, Shape, subnets
from tests.servers.binaries import ETCD_VERSION, binaries
from tests.servers.pki import Authority, KeyPair

TOKEN, CERTIFICATE_KEY = "abcdef.0123456789abcdef", "0123456789abcdef" * 4
LIMIT = 600.0
INIT_FILE, JOIN_FILE = "/root/kubeadm.yaml", "/root/join.yaml"
API_VERSION = "kubeadm.k8s.io/v1beta4"
IGNORED = "SystemVerification"
"""kubeadm's check that a lab cannot pass: it looks for the kernel's configuration, and for cgroup v2."""

LIFETIME = timedelta(days=3650)


def put_etcd(machine: Machine) -> None:
    """etcd's programs onto the disk of a machine that is off."""
    folder = machine.folder / "upper/usr/local/bin"
    folder.mkdir(parents=True, exist_ok=True)
    for program in binaries("etcd", machine.shape.etcd or ETCD_VERSION).iterdir():
        shutil.copy(program, folder)


def install_packages(machine: Machine) -> None:
    """kubeadm, kubelet and kubectl by apt, and held, as the documentation says."""
    version, names = machine.shape.kubernetes, " ".join(packages.PROGRAMS)
    install = " ".join(f"{name}={version}-*" for name in packages.PROGRAMS)
    machine.run(
        "export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1; apt-get update -qq; "
        f"apt-get install -y -qq {install} > /dev/null; apt-mark -qq hold {names}",
        limit=LIMIT,
    )


def init(machine: Machine, external: Authority | None) -> None:
    """The first control plane."""
    if external:
        machine.write("/etc/kubernetes/pki/etcd/ca.crt", external.ca.read_text(), mode="644")
        client = external.issue("apiserver-etcd-client", server=False)
        machine.write("/etc/kubernetes/pki/apiserver-etcd-client.crt", client.certificate.read_text(), mode="644")
        machine.write("/etc/kubernetes/pki/apiserver-etcd-client.key", client.key.read_text())
    machine.write(INIT_FILE, configuration(machine.shape, machine.place))
    machine.run(f"kubeadm init --config {INIT_FILE} --upload-certs > /var/log/kubeadm-init.log 2>&1", limit=LIMIT)


def join(machine: Machine, ca_hash: str) -> None:
    """Another control plane, or a worker."""
    shape, place = machine.shape, machine.place
    endpoint = {"advertiseAddress": place.address}
    plane = {"controlPlane": {"localAPIEndpoint": endpoint, "certificateKey": CERTIFICATE_KEY}}
    document = {
        "apiVersion": API_VERSION,
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "token": TOKEN,
                "apiServerEndpoint": f"{shape.balancer}:{LOAD_BALANCER}",
                "caCertHashes": [f"sha256:{ca_hash}"],
            }
        },
        "caCertPath": f"{shape.pki}/ca.crt",
        "nodeRegistration": odd.registration(shape, place) | {"ignorePreflightErrors": [IGNORED]},
        **(plane if place.role is Role.CONTROL_PLANE else {}),
        **odd.patches(shape),
    }
    machine.write(JOIN_FILE, yaml.safe_dump(document))
    machine.run(f"kubeadm join --config {JOIN_FILE} > /var/log/kubeadm-join.log 2>&1", limit=LIMIT)


def ca_hash(machine: Machine) -> str:
    """Of the cluster's CA, as `kubeadm join` wants it."""
    public = f"openssl x509 -pubkey -in {machine.shape.pki}/ca.crt | openssl pkey -pubin -outform der"
    return machine.run(f"{public} | sha256sum | cut -d' ' -f1").strip()


def external_etcd(machines: list[Machine], folder: Path) -> Authority:
    """Starts etcd by systemd on machines of its own; returns the authority for its clients."""
    authority = Authority(folder, "etcd-ca", lifetime=LIFETIME)
    peers = ",".join(f"{machine.name}=https://{machine.address}:2380" for machine in machines)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda machine: _start_etcd(machine, authority, peers), machines))
    return authority


def client_of_members(machine: Machine, authority: Authority | None, folder: Path) -> tuple[str, KeyPair]:
    """The CA of etcd's members as text, and a client certificate for them: the worker's own, for the direct route."""
    folder.mkdir(exist_ok=True)
    if authority:
        return authority.ca.read_text(), authority.issue("kube-runbooks", server=False)
    pair = KeyPair(folder / "client.crt", folder / "client.key")
    pair.key.touch(mode=0o600)
    pki = machine.shape.pki
    pair.key.write_text(machine.read(f"{pki}/etcd/healthcheck-client.key"))
    pair.certificate.write_text(machine.read(f"{pki}/etcd/healthcheck-client.crt"))
    return machine.read(f"{pki}/etcd/ca.crt"), pair


def configuration(shape: Shape, place: Place) -> str:
    """What `kubeadm init` is given."""
    validity = {"certificateValidityPeriod": f"{shape.leaf_hours}h0m0s"} if shape.leaf_hours else {}
    documents = [
        {
            "apiVersion": API_VERSION,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": place.address},
            "nodeRegistration": odd.registration(shape, place) | {"ignorePreflightErrors": [IGNORED]},
            **odd.patches(shape),
            "bootstrapTokens": [{"token": TOKEN, "ttl": "0s"}],
            "certificateKey": CERTIFICATE_KEY,
        },
        {
            "apiVersion": API_VERSION,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": f"v{shape.kubernetes}",
            "clusterName": shape.name,
            "controlPlaneEndpoint": f"{shape.balancer}:{LOAD_BALANCER}",
            "networking": {
                "podSubnet": subnets(ALL_PODS, shape.families),
                "serviceSubnet": subnets(ALL_SERVICES, shape.families),
                **({"dnsDomain": shape.dns_domain} if shape.dns_domain else {}),
            },
            "certificatesDir": shape.pki,
            "apiServer": odd.api_server(shape, place),
            "etcd": _etcd(shape, place),
            **validity,
        },
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,  # a host with cgroup v1 has nothing else for its machines
            "failSwapOn": False,
            "fileCheckFrequency": "2s",  # 20 s for each change of a manifest otherwise
            "syncFrequency": "5s",
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            **odd.healthz_for_init(shape),
        },
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "conntrack": {"maxPerCore": 0, "min": 0},  # sysctls of the host
        },
    ]
    return yaml.safe_dump_all(documents)


def _etcd(shape: Shape, place: Place) -> dict[str, object]:
    if members := shape.of_role(Role.ETCD):
        files = {
            "caFile": "/etc/kubernetes/pki/etcd/ca.crt",
            "certFile": "/etc/kubernetes/pki/apiserver-etcd-client.crt",
            "keyFile": "/etc/kubernetes/pki/apiserver-etcd-client.key",
        }
        return {"external": {"endpoints": [f"https://{member.address}:2379" for member in members], **files}}
    image = {"imageTag": images.etcd_image(shape.etcd).rpartition(":")[2]} if shape.etcd else {}
    return {"local": image | odd.etcd(shape, place)}


def _start_etcd(machine: Machine, authority: Authority, peers: str) -> None:
    pair = authority.issue(machine.name, dns=(machine.name, "localhost"), ips=(machine.address, "127.0.0.1"))
    machine.write("/etc/etcd/ca.crt", authority.ca.read_text(), mode="644")
    machine.write("/etc/etcd/server.crt", pair.certificate.read_text(), mode="644")
    machine.write("/etc/etcd/server.key", pair.key.read_text())
    machine.write(
        "/etc/systemd/system/etcd.service",
        _ETCD_UNIT.format(name=machine.name, address=machine.address, peers=peers),
        mode="644",
    )
    machine.run("systemctl daemon-reload; systemctl enable --quiet --now --no-block etcd")


_ETCD_UNIT = """\
[Unit]
Description=etcd
After=network-online.target

[Service]
Type=notify
ExecStart=/usr/local/bin/etcd --name {name} --data-dir /var/lib/etcd \
  --listen-client-urls https://{address}:2379,https://127.0.0.1:2379 --advertise-client-urls https://{address}:2379 \
  --listen-peer-urls https://{address}:2380 --initial-advertise-peer-urls https://{address}:2380 \
  --initial-cluster {peers} --initial-cluster-token lab --initial-cluster-state new \
  --cert-file /etc/etcd/server.crt --key-file /etc/etcd/server.key --client-cert-auth --trusted-ca-file /etc/etcd/ca.crt \
  --peer-cert-file /etc/etcd/server.crt --peer-key-file /etc/etcd/server.key --peer-client-cert-auth \
  --peer-trusted-ca-file /etc/etcd/ca.crt
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
"""
