"""The way from a node to the ClusterIPs, as a node tells it."""

import pytest

from tasks.node_work.probes import service_path

ANSWER = "12 34 85 00 00 01 00 01 00 00 00 00 0a 6b 75"


@pytest.mark.parametrize(
    ("stdout", "told"),
    [
        (f"api 200\ndns  {ANSWER}\n", ""),
        (f"api 000\ndns  {ANSWER}\n", "the Service `kubernetes` answers 000"),
        (f"dns  {ANSWER}\n", "the Service `kubernetes` answers nothing"),
        ("api 200\ndns \n", "the Service `kube-dns` does not resolve kubernetes.default.svc.cluster.local"),
        (f"api 200\ndns {ANSWER.replace('85 00', '85 03')}\n", "the Service `kube-dns` does not resolve"),
        (f"api 200\ndns {ANSWER.replace('00 01 00 01', '00 01 00 00')}\n", "the Service `kube-dns` does not resolve"),
    ],
)
def test_the_service_path_lacks_what_does_not_answer(stdout: str, told: str) -> None:
    """A DNS answer with an error or without a record is none."""
    said = "; ".join(service_path.what_service_path_lacks(stdout.encode(), dns=True).values())
    assert said.startswith(told)
    assert bool(said) == bool(told)
    assert service_path.what_service_path_lacks(b"api 200\n", dns=False) == {}
    assert list(service_path.what_service_path_lacks(b"", dns=True)) == ["kubernetes", "kube-dns"]
