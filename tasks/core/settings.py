"""Defines what an operator sets once for a worker, in the environment.

Each setting has its unit, default and reason.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_HOME = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """These settings are read from `KUBE_RUNBOOKS_*` each time an object is created.

    The environment of a worker does not change during a run.
    """

    model_config = SettingsConfigDict(env_prefix="KUBE_RUNBOOKS_", frozen=True)

    clusters: Path = Field(
        default=_HOME / "deployments" / "clusters",
        description="folder with one profile for each cluster, NAME.yaml",
    )
    bin: Path | None = Field(
        default=None,
        description=(
            "folder with etcd and etcdutl for restore drills, or with folders etcd-vX.Y.Z that contain them; "
            "default: PATH"
        ),
    )
    scratch: Path | None = Field(
        default=None,
        description=(
            "folder for restore drills; it needs 2.2 times the size of the database. Default: the system's "
            "temporary folder. While a drill runs it holds the cluster's Secrets in plain text, so do not use "
            "a network disk"
        ),
    )
    node: str = Field(
        default="",
        description=(
            "name of the node that this worker runs on, if it runs inside a cluster that it drains: "
            "spec.nodeName of the downward API. Default: the node of the pod with this host's name"
        ),
    )
    hostname: str = Field(
        default="",
        validation_alias="HOSTNAME",
        description="host name of this process; in a pod it is the pod's name; the kubelet sets it",
    )
    in_cluster: str = Field(
        default="", validation_alias="KUBERNETES_SERVICE_HOST", description="the kubelet sets it in every pod"
    )
