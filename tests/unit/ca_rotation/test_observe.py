"""What the API hands out, as it is asked; and a node that does not let us in."""

import base64

from tasks.ca_rotation.observe import CLUSTER_INFO, look_at_api_trust, look_at_trust
from tasks.ca_rotation.probes.trust import halves_in
from tasks.core.errors import Refused
from tests.facts.ca_cluster import CLUSTER, FOLDER, World


def test_all_that_the_api_hands_out_is_looked_at(world: World) -> None:
    """Tokens in Secrets only once there is a new half that could have signed them."""
    ca = world.node("cp1").read_file(FOLDER / "pki/ca.crt")
    [half] = halves_in(ca)
    world.api.hands_out(ca.decode(), ca.decode() * 2)
    metadata = {"namespace": "shop", "name": "old"}
    world.api.objects["/api/v1/secrets"] = [{"metadata": metadata, "data": {"token": "eC55Lno="}}]
    found = look_at_api_trust(world, None, None)
    assert found.joinable
    assert found.cluster_info == found.clients == found.front_proxies == (half.id,)
    assert found.root_cas == {"default": (half.id, half.id)}
    assert (found.old_pods, found.old_tokens, found.worker) == ((), (), ())
    assert look_at_api_trust(world, half, half).old_tokens == ("shop/old",)
    copied = {"ca.crt": base64.b64encode(ca).decode()}
    world.api.objects["/api/v1/secrets"] = [{"metadata": metadata, "type": "Opaque", "data": copied}]
    assert look_at_api_trust(world, half, None).secrets == ("shop/old",)
    world.api.objects["/api/v1/secrets"] = Refused("GET /api/v1/secrets: 403 forbidden")
    unread = look_at_api_trust(world, half, half)
    assert (unread.secrets, unread.secrets_unread) == ((), "GET /api/v1/secrets: 403 forbidden")
    del world.api.objects[CLUSTER_INFO]
    assert not look_at_api_trust(world, None, None).joinable


def test_a_node_that_does_not_let_us_in_is_a_fact(world: World) -> None:
    """With the reason."""
    world.node("w1").lost_connections = 1
    assert look_at_trust(world, "w1", CLUSTER).unreached == "w1: the connection was lost"
    assert look_at_trust(world, "w1", CLUSTER).trusted
