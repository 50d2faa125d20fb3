"""What answers about images mean: a refusal only if the kubelet would get the same answer."""

from typing import Any

import pytest

from tasks.core.models.findings import Finding
from tasks.core.models.plan import Caution, Refusal
from tasks.registries.models.verdict import Verdict
from tasks.workloads.models.changes import RolloutOptions
from tasks.workloads.models.images import ImageAnswer
from tasks.workloads.policy.images import findings_of_images
from tasks.workloads.policy.plan import plan_rollout
from tests.facts.workloads import request, rollout_facts

WEB = "shop/deployment/web"
SAID = "https://ghcr.io (without credentials): 404 MANIFEST_UNKNOWN: manifest unknown"


def answer(**changes: Any) -> ImageAnswer:  # noqa: ANN401 - fields of the model
    """The registry does not have it."""
    known: dict[str, Any] = {"workload": WEB, "image": "web:2", "node": "w1", "verdict": Verdict.REFUSED, "said": SAID}
    return ImageAnswer(**known | {"present": False} | changes)


def found(*answers: ImageAnswer) -> list[Finding]:
    """What is found."""
    return list(findings_of_images(answers))


def test_an_image_that_is_there_is_nothing_to_say() -> None:
    """On every node."""
    assert found(answer(verdict=Verdict.THERE), answer(verdict=Verdict.THERE, node="w2")) == []


def test_an_image_that_cannot_be_pulled_is_refused() -> None:
    """With the node, the answer, and the way to leave it out."""
    (one,) = found(answer())
    assert isinstance(one, Refusal)
    assert one.problem == f"image web:2 cannot be pulled: asked from node w1, {SAID}"
    assert one.next_step == "correct the image or imagePullSecrets; or add --no-check-images"


def test_an_image_of_another_platform_is_refused() -> None:
    """It would start and end at once."""
    (one,) = found(answer(verdict=Verdict.OTHER_PLATFORM, said="it is for linux/arm64, and the node is linux/amd64"))
    assert isinstance(one, Refusal)
    assert one.problem.startswith("image web:2 does not run on node w1: it is for linux/arm64")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"uncertain": ("its kubelet has a credential provider",)},
            "but the kubelet may have other means: its kubelet",
        ),
        ({"present": True}, "node w1 has it already, other nodes may not"),
        ({"verdict": Verdict.UNKNOWN, "said": "no answer"}, "could not be asked: asked from node w1, no answer"),
        ({"verdict": Verdict.UNKNOWN, "said": "no node", "node": ""}, "could not be asked: no node"),
        ({"verdict": Verdict.UNKNOWN, "said": "no node", "node": "", "never": True}, "could not be asked: no node"),
    ],
)
def test_what_is_not_certain_is_a_caution(changes: dict[str, Any], problem: str) -> None:
    """Never a refusal on a false basis."""
    (one,) = found(answer(**changes))
    assert isinstance(one, Caution)
    assert problem in one.problem.replace("⟨", "").replace("⟩", "")


def test_an_image_that_is_never_pulled_has_to_be_on_the_nodes() -> None:
    """On none of them: refused. On some: a caution. Not known: another one."""
    (one,) = found(answer(never=True), answer(never=True, node="w2"))
    assert isinstance(one, Refusal)
    assert one.problem == "image web:2 has imagePullPolicy Never, and is not on w1, w2"
    assert found(answer(never=True, present=True)) == []
    some, unknown = found(
        answer(never=True), answer(never=True, node="w2", present=None), answer(never=True, node="w3", present=True)
    )
    assert isinstance(some, Caution)
    assert some.problem == "image web:2 has imagePullPolicy Never, and is not on w1"
    assert "whether w2 has it is not known" in unknown.problem


def test_the_plan_has_them_for_its_workloads() -> None:
    """Each once."""
    plan = plan_rollout(rollout_facts(images=(answer(), answer(workload="x"))), request(), RolloutOptions())
    assert [one.subject for one in plan.refusals] == [WEB]
