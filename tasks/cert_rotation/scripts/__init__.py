"""What a rotation does on a node: each script looks at what is there first, so that it can be run again at any point.

No key is in an argument or in what is printed.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import PurePosixPath

from tasks.cert_rotation.models.files import CONFIGURATION, PUT_BACK, RECORD, STAGE
from tasks.cert_rotation.models.rotation import RotationRecord
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.core.models.folders import JOBS, ROTATIONS
from tasks.core.models.kubeadm import PARKED
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

KUBEADMS_OWN = "tmp"
"""Below kubeadm's folder: its own copies, of etcd's data among them."""

KEPT = 3
"""Copies of earlier runs, which have keys in them: the newest ones."""


def begin(folder: PurePosixPath, record: RotationRecord) -> str:
    """Copies kubeadm's folder once, and then writes the record; its standard input: the configuration for kubeadm."""
    return script(
        __file__,
        "begin",
        work=ROTATIONS,
        folder=folder,
        kubeadms_own=KUBEADMS_OWN,
        copy=record.copy_file,
        job=f"{JOBS}/{job_of(record)}",
        configuration=CONFIGURATION,
        put_back=PUT_BACK,
        record=RECORD,
        record_text=record.model_dump_json(),
    )


def note(record: RotationRecord) -> str:
    """Writes into the record that a rotation has come to another phase."""
    return script(__file__, "note", record=RECORD, record_text=record.model_dump_json())


def renew(folder: PurePosixPath, record: RotationRecord) -> str:
    """The job that renews leaves by kubeadm, each once."""
    leaves = "\n".join(_line(leaf, anew=leaf in record.anew) for leaf in record.leaves)
    return script(
        __file__,
        "renew",
        folder=folder,
        copy=record.copy_file,
        leaves=leaves,
        stage=STAGE,
        configuration=CONFIGURATION,
    )


def put_back(folder: PurePosixPath, record: RotationRecord) -> str:
    """The previous files and manifests, and when: what has read the new ones since then is started again."""
    return script(
        __file__,
        "put_back",
        folder=folder,
        copy=record.copy_file,
        files=[file for leaf in record.leaves for file in files_of(leaf)],
        pods=record.restarts,
        parked=PARKED,
        stage=STAGE,
        put_back=PUT_BACK,
    )


def end(run_id: str) -> str:
    """The rotation is over there: its record stays under the name of the run that ended it, and the newest copies do."""
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
    """The previous files are in their places again: nothing was done there, and nobody resumes it or attaches to its job."""
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


def refresh(folder: PurePosixPath, record: RotationRecord, copies: Sequence[tuple[str, str]]) -> str:
    """Gives copies of kubeconfigs (path, and what it is a copy of) the new certificate and key; its output is for `parse_refreshed`."""
    lines = "\n".join(f"{source} {path}" for path, source in copies)
    return script(__file__, "refresh", folder=folder, copy=record.copy_file, copies=lines)


def parse_refreshed(stdout: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Those that have the new certificate, and why others have not."""
    told = Printed.of(stdout.encode())
    return told.all("fresh"), dict(told.pairs("left"))


def job_of(record: RotationRecord) -> str:
    """The name of the job that renews: the same leaves of the same run are the same job."""
    wanted = sha256(" ".join((*record.leaves, "/", *record.anew)).encode()).hexdigest()
    return f"certificates-{record.run_id}-{wanted[:8]}"


def put_back_copy(record: RotationRecord) -> str:
    """Where the copy is once its files are in their places again."""
    return f"{record.copy_file.removesuffix('.tar')}.put-back.tar"


def files_of(leaf: str) -> tuple[str, ...]:
    """Below kubeadm's folder: the kubeconfig, or the certificate and its key."""
    file = LEAVES[leaf].file
    return (file, file.removesuffix(".crt") + ".key") if file.endswith(".crt") else (file,)


def _line(leaf: str, *, anew: bool) -> str:
    """For `renew.sh`."""
    files = files_of(leaf)
    if len(files) == 1:
        return f"kubeconfig {leaf}"
    ca = AUTHORITIES[LEAVES[leaf].authority].removesuffix(".crt")
    return f"pair {leaf} {files[0]} {files[1]} {ca} {leaf if anew else '-'}"
