"""Provides the scripts of a rotation on a node.

Each one checks the current state first, so it can run again at any point. No argument and no output contains a key.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import PurePosixPath
from urllib.parse import unquote

from tasks.cert_rotation.models.files import CONFIGURATION, PUT_BACK, RECORD, STAGE
from tasks.cert_rotation.models.rotation import RotationRecord
from tasks.cert_rotation.models.where import Where
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.core.models.folders import JOBS, ROTATIONS
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

KUBEADMS_OWN = "tmp"
"""Names kubeadm's folder for its own copies, relative to kubeadm's folder. Copies of etcd's data are among them."""

KEPT = 3
"""Limits the number of copies of earlier runs that are kept, newest first. They contain keys."""


def begin(where: Where, record: RotationRecord) -> str:
    """Returns the script that copies kubeadm's folder once and then writes the record.

    Its standard input is the configuration for kubeadm.
    """
    return script(
        __file__,
        "begin",
        work=ROTATIONS,
        **_places(where),
        kubeadms_own=KUBEADMS_OWN,
        files=[file for leaf in record.leaves for file in files_of(leaf)],
        copy=record.copy_file,
        job=f"{JOBS}/{job_of(record)}",
        configuration=CONFIGURATION,
        put_back=PUT_BACK,
        record=RECORD,
        record_text=record.model_dump_json(),
    )


def note(record: RotationRecord) -> str:
    """Returns the script that writes the new phase of a rotation into its record."""
    return script(__file__, "note", record=RECORD, record_text=record.model_dump_json())


def renew(where: Where, record: RotationRecord) -> str:
    """Returns the script of the job that renews leaves by kubeadm, each one once."""
    leaves = "\n".join(_line(leaf, anew=leaf in record.anew) for leaf in record.leaves)
    return script(
        __file__,
        "renew",
        **_places(where),
        copy=record.copy_file,
        leaves=leaves,
        stage=STAGE,
        configuration=CONFIGURATION,
    )


def put_back(where: Where, record: RotationRecord) -> str:
    """Returns the script that restores the previous files and manifests, and notes the time.

    Pods that started before that time and read the new files restart.
    """
    return script(
        __file__,
        "put_back",
        **_places(where),
        copy=record.copy_file,
        files=[file for leaf in record.leaves for file in files_of(leaf)],
        pods=record.restarts,
        parked=where.parked,
        stage=STAGE,
        put_back=PUT_BACK,
    )


def end(run_id: str) -> str:
    """Returns the script that closes the rotation on a node.

    The record stays under the name of the run that finished it. The newest copies stay too.
    """
    return script(
        __file__,
        "end",
        work=ROTATIONS,
        record=RECORD,
        ended=f"{ROTATIONS}/{run_id}.ended",
        stage=STAGE,
        configuration=CONFIGURATION,
        put_back=PUT_BACK,
        first_gone=KEPT + 1,
    )


def forget(record: RotationRecord) -> str:
    """Returns the script that forgets a rotation after its previous files are restored.

    The node then counts as unchanged. No run resumes the record or attaches to its job.
    """
    return script(
        __file__,
        "forget",
        record=RECORD,
        copy=record.copy_file,
        kept=put_back_copy(record),
        job=f"{JOBS}/{job_of(record)}",
        stage=STAGE,
        configuration=CONFIGURATION,
        put_back=PUT_BACK,
    )


def refresh(where: Where, record: RotationRecord, copies: Sequence[tuple[str, str]]) -> str:
    """Returns the script that gives kubeconfig copies the new certificate and key.

    Each copy is a pair of its path and its source. `parse_refreshed` reads the output.
    """
    lines = "\n".join(f"{source} {path}" for path, source in copies)
    return script(__file__, "refresh", **_places(where), copy=record.copy_file, copies=lines)


def parse_refreshed(stdout: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns the copies that have the new certificate, and why others do not."""
    told = Printed.of(stdout.encode())
    return tuple(map(unquote, told.all("fresh"))), {unquote(file): why for file, why in told.pairs("left")}


def job_of(record: RotationRecord) -> str:
    """Returns the name of the renewal job. The same leaves of the same run give the same name."""
    wanted = sha256(" ".join((*record.leaves, "/", *record.anew)).encode()).hexdigest()
    return f"certificates-{record.run_id}-{wanted[:8]}"


def put_back_copy(record: RotationRecord) -> str:
    """Returns the path of the copy after its files are restored."""
    return f"{record.copy_file.removesuffix('.tar')}.put-back.tar"


def files_of(leaf: str) -> tuple[str, ...]:
    """Returns the files of a leaf relative to kubeadm's folder: the kubeconfig, or the certificate and its key."""
    file = LEAVES[leaf].file
    return (file, file.removesuffix(".crt") + ".key") if file.endswith(".crt") else (file,)


def _places(where: Where) -> dict[str, PurePosixPath]:
    return {"folder": where.folder, "pki": where.pki, "manifests": where.manifests}


def _line(leaf: str, *, anew: bool) -> str:
    """Returns one input line for `renew.sh`."""
    files = files_of(leaf)
    if len(files) == 1:
        return f"kubeconfig {leaf}"
    ca = AUTHORITIES[LEAVES[leaf].authority].removesuffix(".crt")
    return f"pair {leaf} {files[0]} {files[1]} {ca} {leaf if anew else '-'}"
