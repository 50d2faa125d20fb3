"""What the API hands out after a stage: changed by us, or by the cluster itself, which is waited for."""

from datetime import timedelta

import pytest

from tasks.ca_rotation.models import CaRotationPlan, Published, Stage
from tasks.ca_rotation.observe import CLUSTER_INFO, EXTENSION
from tasks.ca_rotation.probes import api as ca_api
from tasks.ca_rotation.publish import publish_trust
from tasks.certificates.models.authorities import State
from tasks.core.errors import NotYet
from tasks.core.models.folders import CA_ROTATIONS
from tests.facts.ca_cluster import FOLDER, World, bring, lay_down, plan
from tests.facts.published import cluster_info


def published(world: World, wanted: CaRotationPlan) -> Published:
    """At once, or not at all."""
    return publish_trust(world, wanted, lambda: None, limit=timedelta(), stays_out=timedelta())


def test_what_nobody_else_hands_out_is_changed_and_the_rest_is_waited_for(world: World) -> None:
    """cluster-info by us; the rest by the cluster itself, or it is told who has not."""
    lay_down(world)
    old = world.node("cp1").read_file(f"{CA_ROTATIONS}/ca/old.pem").decode()
    bring(world, Stage.TRUST_BOTH, State.ONLY_OLD)
    both = world.node("cp1").read_file(FOLDER / "pki/ca.crt").decode()
    wanted = plan(Stage.TRUST_BOTH, State.BOTH)
    world.api.hands_out(old, old)
    with pytest.raises(NotYet, match="kube-root-ca.crt is not what it is to be in default"):
        published(world, wanted)
    assert len(ca_api.cluster_info_of(world.api.find(CLUSTER_INFO))) == 2
    world.api.hands_out(both, both)
    done = published(world, wanted)
    assert (done.changed, done.waited_for) == ((), ("kube-root-ca.crt", "client-ca-file"))
    world.api.hands_out(old, both)
    with pytest.raises(NotYet, match="extension-apiserver-authentication has not all of it in client-ca-file"):
        published(world, wanted)


def test_in_the_end_what_api_servers_only_add_to_is_taken_out(world: World) -> None:
    """Unless one of them has it in memory still, and puts it back."""
    lay_down(world)
    for stage, state in ((Stage.TRUST_BOTH, State.ONLY_OLD), (Stage.SIGN_WITH_NEW, State.BOTH)):
        bring(world, stage, state)
    both = world.node("cp1").read_file(FOLDER / "pki/ca.crt").decode()
    bring(world, Stage.DROP_OLD, State.NEW_SIGNS)
    new = world.node("cp1").read_file(FOLDER / "pki/ca.crt").decode()
    world.api.hands_out(both, new)
    wanted = plan(Stage.DROP_OLD, State.ONLY_NEW)
    done = published(world, wanted)
    assert done.changed == ("cluster-info", "extension-apiserver-authentication")
    extension = world.api.find(EXTENSION)["data"]
    assert ca_api.ids_in(extension[ca_api.CLIENTS]) == ca_api.ids_in(new)
    assert ca_api.ids_in(extension[ca_api.FRONT_PROXIES]) == ca_api.ids_in(both)
    assert published(world, wanted).changed == ()
    world.api.hands_out(both, new)
    world.api.puts_back = True
    world.api.objects[CLUSTER_INFO] = cluster_info(new)
    with pytest.raises(NotYet, match="has put the old one back"):
        published(world, wanted)
