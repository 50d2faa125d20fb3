"""A node whose work ended by an error: as it was found, or cordoned with the reason; what cannot be done is said."""

from types import SimpleNamespace
from typing import cast

from tasks.cluster import Cluster
from tasks.core.errors import CommandFailed, NotYet
from tasks.core.models.findings import Problem
from tasks.drain.models import CORDONED_BY
from tasks.node_work.put_back import PutBack
from tests.facts.api import NodeApi
from tests.facts.buckets import Bucket

ERROR = CommandFailed("w1: no kernel", hint="look there")
LEFT = Problem(text="no kernel")


def back(api: NodeApi, store: object = None) -> PutBack:
    """Of w1, for a patch with a ticket."""
    handle = SimpleNamespace(kube=api, store=store, profile=SimpleNamespace(name="prod"))
    return PutBack(cast("Cluster", handle), "w1", "node_os_patch", "run-2", "INC-7")


def test_a_whole_node_is_given_back() -> None:
    """Its cordon of ours goes; one of somebody else is none of ours."""
    ours = NodeApi(cordoned=True, **{CORDONED_BY: "run-2"})
    assert back(ours).as_found(None) == "w1 is uncordoned again: nothing is half done there"
    assert not ours.is_cordoned
    others = NodeApi(cordoned=True)
    assert back(others).as_found(None) == ""
    assert others.is_cordoned


def test_what_an_earlier_run_has_left_cordoned_stays_so() -> None:
    """With that run's reason, under the name of this one."""
    api = NodeApi()
    assert back(api).as_found(LEFT) == "w1 stays cordoned as it was found: no kernel"
    assert api.is_cordoned
    reason = "left by an earlier run of node_os_patch"
    assert api.annotations == {
        "cordoned-by": "run-2",
        "cordon-reason": reason,
        "failed": "no kernel",
        "ticket": "INC-7",
    }


def test_what_is_half_done_stays_cordoned_and_its_words_are_kept() -> None:
    """What was wrong before is written down for the run that goes on."""
    api, store = NodeApi(), Bucket()
    told = back(api, store).cordoned(ERROR, ("DiskPressure",), lambda: "dmesg")
    (key,) = store.kept
    assert told == f"w1 stays cordoned; diagnostics saved to s3://b/{key}"
    assert key.endswith("evidence/run-2-w1.txt")
    assert api.annotations["failed"] == "w1: no kernel"
    assert api.annotations["unhealthy-before"] == '["DiskPressure"]'


def test_what_cannot_be_done_hides_no_error() -> None:
    """Neither an API that refuses it nor a machine that is away."""
    api = NodeApi()
    api.refuses = "nodes is forbidden"

    def silent() -> str:
        raise NotYet("w1: no connection")

    told = back(api, Bucket()).cordoned(ERROR, (), silent)
    assert told == (
        "w1 could not be cordoned: nodes is forbidden; its diagnostics could not be saved: w1: no connection"
    )
    assert back(api).as_found(None) == "w1 could not be left as it was found: nodes is forbidden"
    assert back(api).as_found(LEFT) == "w1 could not be left as it was found: nodes is forbidden"
