"""The Lease of an object's lock has a name that Kubernetes takes, and each object its own."""

from tasks.run.object_locks import LONGEST, lease_of


def test_a_lease_is_named_after_its_object() -> None:
    """A long name is cut, and stays another one."""
    assert lease_of("deployment/web") == "kube-runbooks-deployment-web"
    long = [lease_of(f"deployment/{'x' * 100}{end}") for end in "ab"]
    assert [len(one) <= LONGEST for one in long] == [True, True]
    assert long[0] != long[1]
    assert long[0].startswith("kube-runbooks-deployment-xxx")
