"""Implements `kube-runbooks init`, which inspects a cluster and writes its profile."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kube_runbooks.outcome import Exit, complain

if TYPE_CHECKING:
    from tasks.draft.models import Draft, Given

NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

Name = Annotated[str, Parameter(help="what the runbooks call the cluster: the name of the profile's file")]
Kubeconfig = Annotated[
    Path, Parameter(help="kubeconfig of a user who may read nodes, and pods and ConfigMaps in kube-system")
]
File = Annotated[Path | None, Parameter(name=["--output", "-o"], help="default: standard output")]
Force = Annotated[bool, Parameter(negative="", help="replace the file if it is there")]


def init(  # noqa: PLR0913 - a form's fields
    name: Name,
    *,
    kubeconfig: Kubeconfig,
    output: File = None,
    force: Force = False,
    ssh_user: Annotated[str, Parameter(help="ssh.user of the profile")] = "",
    ssh_key: Annotated[
        str, Parameter(help="ssh.key of the profile, for example file:/etc/kube-runbooks/id_ed25519")
    ] = "",
    known_hosts: Annotated[str, Parameter(help="ssh.known_hosts of the profile")] = "",
    bucket: Annotated[str, Parameter(help="store.bucket of the profile")] = "",
    region: Annotated[str, Parameter(help="store.region of the profile")] = "",
    endpoint: Annotated[str, Parameter(help="store.endpoint of the profile")] = "",
) -> Exit:
    """Write a profile from what the cluster shows: nodes, addresses, kubeadm's folder, etcd.

    The output says what is left to fill in.
    """
    from tasks.draft.models import Given  # noqa: PLC0415 - seconds that --help does not need

    if not re.fullmatch(NAME, name):
        complain(f"{name!r} is no name of a cluster", "use lower case letters, digits and -, 63 at most")
        return Exit.USAGE
    if output and output.exists() and not force:
        complain(f"{output} is there already", "choose another file with --output, or add --force")
        return Exit.USAGE
    given = Given(
        ssh_user=ssh_user,
        ssh_key=_reference(ssh_key),
        known_hosts=_absolute(known_hosts),
        bucket=bucket,
        region=region,
        endpoint=endpoint,
    )
    draft = _draft(name, kubeconfig, given)
    if isinstance(draft, Exit):
        return draft
    if output:
        output.write_text(draft.text)
        print(f"written: {output}", file=sys.stderr)
    else:
        sys.stdout.write(draft.text)
    if draft.left:
        print("\n".join(["left to fill in:", *(f"- {one}" for one in draft.left)]), file=sys.stderr)
    once = ", once you have filled in what is left" if draft.left else ""
    print(f"Next: kube-runbooks check {name}{once}", file=sys.stderr)
    return Exit.OK


def _reference(text: str) -> str:
    """Returns how a profile names a secret. A path alone is that of a file."""
    if not text or text.startswith(("env:", "prefect:")):
        return text
    return f"file:{_absolute(text.removeprefix('file:'))}"


def _absolute(path: str) -> str:
    """Returns the whole path, because a deployed run starts in another folder."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _draft(name: str, kubeconfig: Path, given: "Given") -> "Draft | Exit":
    from tasks.core.errors import Refused, RunbookError  # noqa: PLC0415 - as above
    from tasks.core.secrets import read_public_file  # noqa: PLC0415 - as above
    from tasks.draft.observe import look_at_cluster  # noqa: PLC0415 - as above
    from tasks.draft.policy.profile import draft_profile  # noqa: PLC0415 - as above

    try:
        text = read_public_file(str(kubeconfig.expanduser()), "--kubeconfig")
        return draft_profile(name, look_at_cluster(text, str(kubeconfig)), given)
    except RunbookError as error:
        complain(error.problem, error.hint)
        return Exit.USAGE if isinstance(error, Refused) else Exit.FAILED
