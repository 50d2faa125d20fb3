"""Where a cluster has what, beside its plan and in the docs."""

from pathlib import Path, PurePosixPath

from tasks.core.models.shape import ClusterShape
from tasks.run.shape_table import OF_CLUSTER, OF_NODE, rows_of
from tests.facts.shapes import shape_of

PAGE = Path(__file__).parents[3] / "docs/cluster-shape.md"


def test_each_node_says_where_it_has_what() -> None:
    """With the place where that was read; a worker says nothing of a control plane."""
    rows = list(rows_of("prod", {"cp1": shape_of(), "w1": shape_of("w1", pods={})}, None))
    assert (
        "cp1",
        "API server",
        "127.0.0.1:6443",
        "`--bind-address` and `--secure-port` in the manifest of kube-apiserver",
    ) in rows
    assert ("cp1", "etcd data", "/var/lib/etcd", "`--data-dir` in the manifest of etcd, on the node") in rows
    assert {what for name, what, _, _ in rows if name == "w1"} == {
        *("kubelet configuration", "kubelet kubeconfig", "kubelet certificates", "kubelet health", "kubelet server"),
        "static pods",
    }


def test_what_is_not_known_is_a_row() -> None:
    """Of the cluster and of a node."""
    whole = ClusterShape(
        certificates_dir=PurePosixPath("/srv/pki"), problems=("there is no Service kube-system/kube-dns",)
    )
    rows = list(rows_of("prod", {"cp1": shape_of(config="- a")}, whole))
    assert ("prod", "not known", "there is no Service kube-system/kube-dns", "") in rows
    assert ("cp1", "not known", "/var/lib/kubelet/config.yaml is no KubeletConfiguration", "") in rows
    assert any(row[:3] == ("prod", "certificates", "/srv/pki") for row in rows)


def test_health_that_is_off_is_said() -> None:
    """An empty value would be no row, and nobody would know."""
    rows = list(rows_of("prod", {"cp1": shape_of(words="kubelet\n--healthz-port=0")}, None))
    assert any(row[1:3] == ("kubelet health", "off (healthzPort: 0)") for row in rows)


def test_the_page_has_each_row() -> None:
    """The docs say what is read from where; a new row without its line there fails."""
    lines = PAGE.read_text().splitlines()
    assert [f"| {row.what} | {row.source} |" for row in OF_CLUSTER] == _table(lines, "## The whole cluster")
    assert [f"| {row.what} | {row.source} |" for row in OF_NODE] == _table(lines, "## Each node")


def _table(lines: list[str], head: str) -> list[str]:
    after = lines[lines.index(head) + 1 :]
    start = after.index("|---|---|") + 1
    rows = after[start:]
    return rows[: rows.index("")] if "" in rows else rows
