"""What an operator sets once for a worker, in the environment; each with its unit, default and reason."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_HOME = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Read from `KUBE_RUNBOOKS_*` each time it is made: a worker's environment does not change under a run."""

    model_config = SettingsConfigDict(env_prefix="KUBE_RUNBOOKS_", frozen=True)

    clusters: Path = Field(
        default=_HOME / "deployments" / "clusters",
        description="folder with a profile for each cluster, NAME.yaml",
    )
    bin: Path | None = Field(
        default=None,
        description="folder with etcd and etcdutl for restore drills, or with folders etcd-vX.Y.Z of them; default: PATH",
    )
    scratch: Path | None = Field(
        default=None,
        description="folder for restore drills, with 2.2 times the size of the database free; default: the system's "
        "temporary folder. It holds the cluster's secrets in plain text while a drill runs, so not a network disk",
    )
    node: str = Field(
        default="",
        description="name of the node that this worker runs on, when it runs inside a cluster that it drains: the downward "
        "API's spec.nodeName; default: the pod of this process's name is looked for in the cluster",
    )
    hostname: str = Field(
        default="",
        validation_alias="HOSTNAME",
        description="of this process: a pod's is its own name; set by the kubelet",
    )
    in_cluster: str = Field(
        default="", validation_alias="KUBERNETES_SERVICE_HOST", description="set by the kubelet in every pod"
    )
