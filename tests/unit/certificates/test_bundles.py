"""`caBundle`s of the API, by the object and the field that they are in."""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tasks.certificates.probes.bundles import bundles_in, parse_bundles
from tests.facts.signed import NOW, signed


def test_bundles_of_the_api_are_named_by_object_and_webhook() -> None:
    """A bundle may hold several certificates; an empty one is none."""
    first, second = (signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()) for _ in range(2))
    bundle = base64.b64encode(first + second).decode()
    hooks = {
        "metadata": {"name": "policy"},
        "webhooks": [{"name": "a.example", "clientConfig": {"caBundle": bundle}}, {"name": "b", "clientConfig": {}}],
    }
    damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    service = {"metadata": {"name": "v1.metrics"}, "spec": {"caBundle": base64.b64encode(damaged).decode()}}
    odd = {"metadata": {"name": "odd"}, "spec": {"caBundle": "é"}}
    found = dict(bundles_in(hooks, "validatingwebhookconfigurations")) | dict(bundles_in(service, "apiservices"))
    found |= dict(bundles_in(odd, "apiservices"))
    parsed = parse_bundles(found, now=NOW)
    assert [(one.path, one.place, one.problem) for one in parsed] == [
        ("validatingwebhookconfigurations/policy a.example", 0, ""),
        ("validatingwebhookconfigurations/policy a.example", 1, ""),
        ("apiservices/v1.metrics", 0, "it is not a PEM certificate"),
        ("apiservices/odd", 0, "there is no certificate in it"),
    ]
