"""Pods of every kind of insecurity, made at random: what the Pod Security Standards look at is set, or not, or wrong."""

import random
from collections.abc import Callable, Sequence
from typing import Any

JSON = dict[str, Any]
CAPABILITIES = ("ALL", "NET_BIND_SERVICE", "NET_ADMIN", "CHOWN", "SYS_ADMIN", "KILL", "NET_RAW")
PROFILES = ("RuntimeDefault", "Unconfined", "Localhost")
SE_LINUX = ("container_t", "container_init_t", "container_engine_t", "spc_t", "")
SYSCTLS = (
    "kernel.shm_rmid_forced",
    "kernel.msgmax",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_notsent_lowat",
    "net.core.somaxconn",
)
HOST_PORTS = {"c0": 8080, "c1": 8081, "i0": 8082}
"""Each container has one of its own: the API refuses two of the same."""

YES, NO = (True, False), (False, True)
"""The first one is good."""

VOLUMES: Sequence[JSON] = (
    {},
    {"emptyDir": {}},
    {"hostPath": {"path": "/var"}},
    {"configMap": {"name": "c"}},
    {"secret": {"secretName": "s"}},
    {"projected": {"sources": []}},
    {"downwardAPI": {"items": []}},
    {"persistentVolumeClaim": {"claimName": "c"}},
    {"nfs": {"server": "198.18.0.1", "path": "/"}},
    {"csi": {"driver": "d.example"}},
    {"image": {"reference": "registry.example/i"}},
    {"iscsi": {"targetPortal": "198.18.0.1", "iqn": "iqn.2001-04.example:storage.a", "lun": 0}},
)


class Maker:
    """Makes pods; the same seed makes the same ones. About one field in `rarity` is bad, so that some pods fit a level."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def pod(self, name: str) -> JSON:
        """A pod that the API server would take, apart from Pod Security."""
        often = self._random.choice((0.1, 0.3, 0.8))
        bad = self._random.choice((0.02, 0.1, 0.3))
        windows = self._random.random() < 0.08
        one = _One(self._random, often, bad, windows=windows)
        return one.pod(name)


class _One:
    """Of one pod: how often it sets what is good, and what is bad."""

    def __init__(self, source: random.Random, often: float, bad: float, *, windows: bool) -> None:
        self._random, self._often, self._bad, self._windows = source, often, bad, windows
        self._own_users = not windows and source.random() < 0.15

    def pod(self, name: str) -> JSON:
        spec: JSON = {
            "containers": [self._container(f"c{number}") for number in range(self._random.randint(1, 2))],
            "initContainers": [self._container("i0", init=True)] if self._random.random() < 0.3 else [],
            "volumes": self._volumes(),
        }
        if context := self._context(pod=True):
            spec["securityContext"] = context
        if self._windows:
            spec["os"] = {"name": "windows"}
        if self._own_users:
            spec["hostUsers"] = False
        else:
            spec |= self._maybe(self._bad, hostNetwork=lambda: True, hostPID=lambda: True, hostIPC=lambda: True)
        if self._windows:
            for gone in ("hostPID", "hostIPC"):
                spec.pop(gone, None)
        if (context.get("windowsOptions") or {}).get("hostProcess"):
            spec["hostNetwork"] = True
        if spec.get("hostNetwork"):
            for one in [*spec["containers"], *spec["initContainers"]]:
                one.pop("ports", None)
        if spec.get("hostNetwork") or spec.get("hostIPC"):
            context.pop("sysctls", None)
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    def _maybe(self, chance: float, **fields: Callable[[], Any]) -> JSON:
        return {name: make() for name, make in fields.items() if self._random.random() < chance}

    def _pick(self, *values: object) -> Any:  # noqa: ANN401 - JSON
        """The first one is good, and the most likely one."""
        return values[0] if self._random.random() > self._bad else self._random.choice(values)

    def _volumes(self) -> list[JSON]:
        chosen = [self._pick(*VOLUMES) for _ in range(self._random.randint(0, 2))]
        return [{"name": f"v{number}", **one} for number, one in enumerate(chosen)]

    def _profile(self) -> JSON:
        kind = self._pick(*PROFILES)
        return {"type": kind, **({"localhostProfile": "profiles/a.json"} if kind == "Localhost" else {})}

    def _context(self, *, pod: bool = False) -> JSON:
        if self._windows:
            if pod:
                return self._maybe(self._bad, windowsOptions=lambda: {"hostProcess": True})
            return self._maybe(self._often, runAsNonRoot=lambda: self._pick(*YES))
        shared = self._maybe(
            self._often,
            runAsNonRoot=lambda: self._pick(*YES),
            runAsUser=lambda: self._pick(1000, 0),
            seccompProfile=self._profile,
        ) | self._maybe(
            self._bad,
            seLinuxOptions=lambda: self._maybe(
                0.5,
                type=lambda: self._random.choice(SE_LINUX),
                user=lambda: self._random.choice(("", "u")),
                role=lambda: self._random.choice(("", "r")),
            ),
            appArmorProfile=self._profile,
        )
        if pod:
            return shared | self._maybe(
                self._bad, sysctls=lambda: [{"name": self._random.choice(SYSCTLS), "value": "1"}]
            )
        own = self._maybe(
            self._often,
            allowPrivilegeEscalation=lambda: self._pick(*NO),
            capabilities=self._capabilities,
        ) | self._maybe(
            self._bad,
            privileged=lambda: self._random.choice((True, False)),
            procMount=lambda: "Unmasked" if self._own_users else "Default",
        )
        if own.get("privileged") or "SYS_ADMIN" in own.get("capabilities", {}).get("add", []):
            own.pop("allowPrivilegeEscalation", None)
        return shared | own

    def _capabilities(self) -> JSON:
        return self._maybe(
            0.8,
            drop=lambda: [self._pick("ALL", *CAPABILITIES)],
            add=lambda: [self._pick("NET_BIND_SERVICE", *CAPABILITIES)],
        )

    def _container(self, name: str, *, init: bool = False) -> JSON:
        one: JSON = {"name": name, "image": "registry.example/i:1"}
        if context := self._context():
            one["securityContext"] = context
        one |= self._maybe(
            self._bad, ports=lambda: [{"containerPort": 80, "hostPort": self._random.choice((0, HOST_PORTS[name]))}]
        )
        if not init:
            one |= self._maybe(
                self._bad,
                livenessProbe=lambda: {"httpGet": {"port": 80, "host": self._random.choice(("", "198.18.0.1"))}},
                startupProbe=lambda: {"tcpSocket": {"port": 80, "host": self._random.choice(("", "198.18.0.1"))}},
                lifecycle=lambda: {
                    "preStop": {"httpGet": {"port": 80, "host": self._random.choice(("", "198.18.0.1"))}},
                },
            )
        return one
