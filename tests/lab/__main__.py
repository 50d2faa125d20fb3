"""`make lab-up`, `make lab-down`, `make lab-ssh NODE=cp1`: a lab by hand."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tests.lab.host import LabError
from tests.lab.lab import Lab, known
from tests.lab.shape import ODDITIES, Shape
from tests.servers.binaries import KUBERNETES_VERSION, NoBinariesError


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it was done; 1, and the reason, when not."""
    options = _options().parse_args(arguments)
    try:
        options.act(options)
    except (LabError, NoBinariesError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _up(options: argparse.Namespace) -> None:
    network = options.range.split(".")
    if options.range != f"198.18.{network[2:3] and network[2]}.0/24":
        message = f"range: {options.range} is not possible: give 198.18.N.0/24, N from 0 to 127"
        raise ValueError(message)
    given = {field.name: getattr(options, field.name) for field in fields(Shape) if hasattr(options, field.name)}
    shape = Shape(**given | {"network": int(network[2])})
    lab = Lab(shape)
    lab.up(lasting=True)
    clusters = lab.write_profile()
    for what, seconds in lab.times.items():
        print(f"{seconds:7.1f} s  {what}")
    print(f"""
lab {shape.name!r} is ready: {", ".join(lab.machines)}
  make lab-ssh NAME={shape.name} NODE=cp1
  export KUBECONFIG={lab.folder / "admin.conf"}
  export KUBE_RUNBOOKS_CLUSTERS={clusters}     # then any runbook runs on cluster={shape.name}
  make lab-down NAME={shape.name}""")


def _down(options: argparse.Namespace) -> None:
    for name in known() if options.all else [options.name]:
        Lab.find(name).down()


def _ssh(options: argparse.Namespace) -> None:
    lab = Lab.find(options.name)
    if options.node not in lab.machines:
        raise LabError(f"there is no machine {options.node!r}; known are: {', '.join(lab.machines)}")
    command = lab.ssh_command(options.node, *options.command)
    os.execvp(command[0], command)  # noqa: S606 - ssh takes this process over, with its terminal


def _kubectl(options: argparse.Namespace) -> None:
    arguments = options.arguments[options.arguments[:1] == ["--"] :]
    print(Lab.find(options.name).kubectl(*arguments), end="")


def _offer(options: argparse.Namespace) -> None:
    Lab.find(options.name).offer(options.version)


def _list(options: argparse.Namespace) -> None:
    del options
    for name in known():
        lab = Lab.find(name)
        print(f"{name}: {'runs' if lab.namespaces.pid else 'is dead'}, {lab.shape}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, act: object, help_: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_)
        added.set_defaults(act=act)
        added.add_argument("--name", default="lab")
        return added

    up = command("up", _up, "start a cluster; it stays until `down`")
    up.add_argument(
        "--range", default="198.18.0.0/24", help="network of the machines: 198.18.N.0/24, another for each lab"
    )
    up.add_argument("--control-planes", type=int, default=3)
    up.add_argument("--workers", type=int, default=2)
    up.add_argument("--kubernetes", default=KUBERNETES_VERSION)
    up.add_argument("--etcd", default="", help="version of etcd; default: kubeadm's own")
    up.add_argument(
        "--external-etcd", type=int, default=0, metavar="N", help="machines with an etcd outside of the cluster"
    )
    up.add_argument("--bastion", action="store_true", help="a bastion in front of the machines")
    odd = up.add_argument_group("a cluster as others have it; what fits together can be given together")
    for field, help_ in ODDITIES.items():
        plain = isinstance(getattr(Shape, field), bool)
        kind: dict[str, Any] = {"action": "store_true"} if plain else {"type": type(getattr(Shape, field))}
        odd.add_argument(f"--{field.replace('_', '-')}", default=getattr(Shape, field), help=help_, **kind)
    command("down", _down, "end a lab, and remove what is left of it").add_argument("--all", action="store_true")
    ssh = command("ssh", _ssh, "log in to a machine")
    ssh.add_argument("node")
    ssh.add_argument("command", nargs="*")
    command("kubectl", _kubectl, "as the administrator").add_argument("arguments", nargs=argparse.REMAINDER)
    offer = command("offer", _offer, "have packages and images of another version of Kubernetes, for an upgrade")
    offer.add_argument("version")
    command("list", _list, "labs that there are")
    return parser


if __name__ == "__main__":
    sys.exit(main())
