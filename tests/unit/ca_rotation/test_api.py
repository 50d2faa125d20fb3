"""What the API hands out of authorities: read, changed, and waited for; a token is known by its header alone."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tasks.ca_rotation.probes import api as ca_api
from tasks.ca_rotation.probes.trust import halves_in
from tasks.certificates.authority import SigningAuthority, new_key_pair
from tasks.core.errors import NotYet
from tests.facts.published import cluster_info, root

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD, NEW = (SigningAuthority.made("kubernetes", NOW, timedelta(days=days)).certificate.decode() for days in (100, 3650))
[OLD_ID], [NEW_ID] = ca_api.ids_in(OLD), ca_api.ids_in(NEW)


def pod(name: str, started: str | None, *, given: bool = True, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """In the namespace shop, with the volume that every pod gets, or without."""
    sources = [{"serviceAccountToken": {}}, {"configMap": {"name": "kube-root-ca.crt"}}]
    volumes = [
        {"name": "data", "emptyDir": {}},
        *([{"name": "api", "projected": {"sources": sources}}] if given else []),
    ]
    status = {"phase": "Running"} | ({"startTime": started} if started else {})
    return {
        "metadata": {"namespace": "shop", "name": name} | changes.get("metadata", {}),
        "spec": {"volumes": volumes},
        "status": status | changes.get("status", {}),
    }


def test_cluster_info_is_read_and_changed_and_nothing_else_of_it() -> None:
    """Its signatures are the cluster's own."""
    found = cluster_info(OLD)
    assert ca_api.cluster_info_of(found) == (OLD_ID,)
    assert ca_api.cluster_info_of(None) == ()
    wanted = ca_api.with_authorities(found, (OLD + NEW).encode())
    assert ca_api.cluster_info_of(wanted) == (OLD_ID, NEW_ID)
    assert wanted["metadata"] == found["metadata"]
    assert wanted["data"]["jws-kubeconfig-abcdef"] == "x..y"
    before, after = (yaml.safe_load(one["data"]["kubeconfig"]) for one in (found, wanted))
    assert after["clusters"][0]["cluster"]["server"] == before["clusters"][0]["cluster"]["server"]


def test_what_api_servers_only_add_to_is_taken_out() -> None:
    """One authority, and no other field."""
    found = {
        "metadata": {"resourceVersion": "3"},
        "data": {"client-ca-file": OLD + NEW, "requestheader-allowed-names": "[]"},
    }
    gone = ca_api.without_authority(found, ca_api.CLIENTS, OLD_ID)
    assert ca_api.ids_in(gone["data"]["client-ca-file"]) == (NEW_ID,)
    assert gone["data"]["requestheader-allowed-names"] == "[]"
    assert gone["metadata"] == found["metadata"]


def test_pods_that_were_started_before_their_namespace_had_both() -> None:
    """By the time of the last change; what has ended, what has no such volume, and static pods do not count."""
    roots = [root("shop", OLD + NEW, "2026-11-25T12:00:00Z"), root("empty", "", "2026-11-25T12:00:00Z")]
    assert ca_api.root_cas_of(roots) == {"shop": (OLD_ID, NEW_ID), "empty": ()}
    since = ca_api.changed_at(roots)
    assert since["shop"] == NOW
    before, after = "2026-11-25T11:59:59Z", "2026-11-25T12:00:00Z"
    pods = [
        pod("old", before),
        pod("new", after),
        pod("pending", None),
        pod("ended", before, status={"phase": "Succeeded"}),
        pod("alone", before, given=False),
        pod("static", before, metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
        pod("elsewhere", before, metadata={"namespace": "unknown"}),
    ]
    assert list(ca_api.pods_before(pods, since)) == ["shop/old"]
    assert list(ca_api.pods_before([{"metadata": {"namespace": "shop", "name": "x"}, "spec": {}}], since)) == []


def secret(name: str, header: bytes) -> dict[str, Any]:
    """With a token of that header."""
    token = base64.urlsafe_b64encode(header).rstrip(b"=") + b".payload.signature"
    return {"metadata": {"namespace": "shop", "name": name}, "data": {"token": base64.b64encode(token).decode()}}


def test_tokens_of_another_key_are_known_by_their_header() -> None:
    """Kubernetes names a key by the sha256 of its public half; a token that cannot be read is another's."""
    [mine], [other] = (halves_in(new_key_pair()[1]) for _ in range(2))
    secrets = [
        secret("mine", json.dumps({"alg": "RS256", "kid": ca_api.key_id_of(mine)}).encode()),
        secret("other", json.dumps({"alg": "RS256", "kid": ca_api.key_id_of(other)}).encode()),
        secret("ancient", b'{"alg":"RS256"}'),
        secret("broken", b"\xff"),
        {"metadata": {"namespace": "shop", "name": "empty"}},
    ]
    assert list(ca_api.tokens_of_others(secrets, mine)) == ["shop/other", "shop/ancient", "shop/broken"]


def test_the_name_of_a_key_is_kubernetes_own() -> None:
    """43 characters of base64url, without padding: as `kid` in the header of a real token."""
    [half] = halves_in(new_key_pair()[1])
    assert len(ca_api.key_id_of(half)) == 43
    assert base64.urlsafe_b64decode(ca_api.key_id_of(half) + "=").hex() == half.public_key


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_no_bundle_is_nothing(text: str) -> None:
    """And no error."""
    assert ca_api.ids_in(text) == ()


def test_what_is_no_base64_is_not_understood() -> None:
    """It is tried again, and then told with the object that has it."""
    found = cluster_info(OLD)
    config = yaml.safe_load(found["data"]["kubeconfig"])
    config["clusters"][0]["cluster"]["certificate-authority-data"] = "x"
    found["data"]["kubeconfig"] = yaml.safe_dump(config)
    with pytest.raises(NotYet, match="cluster-info could not be parsed"):
        ca_api.cluster_info_of(found)


def test_secrets_that_have_the_old_one_alone() -> None:
    """As PEM, in a kubeconfig, in JSON; beside a token the cluster writes it. One of another type has no token of its."""
    [old], [new] = (halves_in(one.encode()) for one in (OLD, NEW))
    config = f"clusters:\n- cluster: {{certificate-authority-data: {base64.b64encode(OLD.encode()).decode()}}}\n"
    texts = {
        "pem": {"ca.crt": OLD},
        "config": {"value": config},
        "both": {"ca.crt": OLD, "more.crt": NEW},
        "other": {"password": "x"},
        "token": {"ca.crt": OLD, "token": "a.b.c"},
    }
    secrets = [
        {
            "metadata": {"namespace": "shop", "name": name},
            "type": ca_api.TOKENS if name == "token" else "Opaque",
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
        }
        for name, data in texts.items()
    ]
    secrets.append({"metadata": {"namespace": "shop", "name": "binary"}, "data": {"x": "/+8=", "y": "no base64!"}})
    assert ca_api.secrets_with(secrets, old, new) == (("shop/pem", "shop/config"), ("shop/token",))
    assert ca_api.secrets_with(secrets, old, None)[0] == ("shop/pem", "shop/config", "shop/both")
    opaque = secret("opaque", b"{}") | {"type": "Opaque"}
    assert list(ca_api.tokens_of_others([opaque], new)) == []


def test_namespaces_without_a_ca_and_what_others_have_copied() -> None:
    """One that is being deleted has none any more; PEM, and a kubeconfig, are copies."""
    namespaces = [
        {"metadata": {"name": "shop"}, "status": {"phase": "Active"}},
        {"metadata": {"name": "new"}, "status": {"phase": "Active"}},
        {"metadata": {"name": "gone"}, "status": {"phase": "Terminating"}},
    ]
    assert list(ca_api.without_root(namespaces, ["shop"])) == ["new"]
    [old], [new] = (halves_in(one.encode()) for one in (OLD, NEW))
    encoded = base64.b64encode((OLD + NEW).encode()).decode()
    maps = [
        {"metadata": {"namespace": "shop", "name": name}, "data": {"x": text, "y": "z"}}
        for name, text in (
            ("pem", f"# mine\n{OLD}"),
            ("config", f"certificate-authority-data: {base64.b64encode(OLD.encode()).decode()}"),
            ("both", encoded),
            ("none", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSA"),
        )
    ]
    assert list(ca_api.copies_of(maps, old, new)) == ["shop/pem", "shop/config"]
    assert list(ca_api.copies_of(maps, old, None)) == ["shop/pem", "shop/config", "shop/both"]


def test_cluster_info_keeps_what_other_yaml_would_lose() -> None:
    """Words that YAML 1.1 and Go read apart, and comments."""
    found = cluster_info(OLD)
    found["data"]["kubeconfig"] += "preferences: {a: '1e3', b: 'y'} # mine\n"
    text = ca_api.with_authorities(found, NEW.encode())["data"]["kubeconfig"]
    assert text.endswith("preferences: {a: '1e3', b: 'y'} # mine\n")
