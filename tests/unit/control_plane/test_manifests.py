"""What manifests of static pods say."""

from tasks.control_plane.probes.manifests import parse_flags


def test_flags_with_and_without_an_equals_sign() -> None:
    """And such that have no value."""
    assert parse_flags(["etcd", "--a=1", "--b", "2", "--c", "--d=x=y"]) == {"a": "1", "b": "2", "c": "true", "d": "x=y"}
    assert parse_flags(["--last"]) == {"last": "true"}
    assert parse_flags([]) == {}
