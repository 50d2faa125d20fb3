"""Bad input: one clear sentence with field, value and fix, before anything is touched."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.exceptions import ParameterTypeError

from flows.etcd_backup_to_s3 import etcd_backup_to_s3
from flows.etcd_restore_drill import etcd_restore_drill
from flows.etcd_restore_from_s3 import etcd_restore_from_s3
from tasks.core.errors import Refused
from tasks.core.models.profile import RouteChoice
from tests.servers.etcd import EtcdCluster
from tests.servers.pki import Authority, KeyPair
from tests.servers.site import Site
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.usefixtures("prefect")

NewSite = Callable[..., Site]


def refused(site: Site, told: str, *, member: str = "auto", route: RouteChoice = "auto") -> str:
    """The sentence of a run that is refused; nothing of a backup may be in the bucket, finished or not."""
    with pytest.raises(Refused, match=told) as refusal:
        etcd_backup_to_s3(site.name, member=member, route=route)
    assert site.keys(f"{site.name}/etcd/") == site.uploads() == []
    assert refusal.value.hint
    return str(refusal.value)


def use(site: Site, pair: KeyPair) -> None:
    """Give the profile another client certificate."""
    client = {"certificate": f"file:{pair.certificate}", "key": f"file:{pair.key}"}
    site.write(etcd={"client": site.profile["etcd"]["client"] | client})


def test_an_unknown_cluster_lists_the_known_ones(site: Site) -> None:
    """The report cannot be stored anywhere, but the sentence is there."""
    with pytest.raises(
        Refused, match=rf"cluster 'prod' is unknown -> known in {site.clusters}: {site.name}; add prod.yaml"
    ):
        etcd_backup_to_s3("prod")


@pytest.mark.parametrize("cluster", ["../etc", "a b", "", "UPPER"])
def test_a_name_that_no_cluster_can_have_is_refused_as_a_parameter(cluster: str) -> None:
    """By Prefect, with the field's name."""
    with pytest.raises(ParameterTypeError, match="cluster"):
        etcd_backup_to_s3(cluster)


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"last": -1}, "retention.last.*-1 is not a number of backups; write 0"),
        ({"last": 0}, "keeps nothing: give at least one of last, hourly"),
        ({"lats": 3}, "retention.lats.*Extra inputs are not permitted"),
        ({"within": "-3d"}, "not a length of time"),
    ],
)
def test_a_retention_that_makes_no_sense_is_refused_as_a_parameter(
    site: Site, rules: dict[str, object], told: str
) -> None:
    """With field and value."""
    with pytest.raises(ParameterTypeError, match=f"(?s){told}"):
        etcd_backup_to_s3(site.name, retention=rules)  # type: ignore[call-overload] # as the API sends it


def test_a_key_that_is_missing_or_open_to_others_is_refused(site: Site, tmp_path: Path) -> None:
    """Each sentence names the field of the profile, the file and the command that mends it."""
    client = site.profile["etcd"]["client"]
    site.write(etcd={"client": client | {"key": f"file:{tmp_path}/none.key"}})
    refused(site, rf"etcd.client.key: {tmp_path}/none.key does not exist -> correct the path")
    site.write(etcd={"client": client | {"key": f"file:{tmp_path}"}})
    refused(site, rf"etcd.client.key: {tmp_path} cannot be read: Is a directory")
    open_key = tmp_path / "open.key"
    open_key.write_text(site.etcd.client.key.read_text())
    open_key.chmod(0o644)
    site.write(etcd={"client": client | {"key": f"file:{open_key}"}})
    refused(site, rf"etcd.client.key: {open_key} is open to every user \(mode 0644\) -> chmod o= {open_key}")


def test_a_certificate_that_cannot_work_is_refused_before_anything_is_connected_to(site: Site) -> None:
    """Expired, not yet valid, and a key of another certificate."""
    authority, now = site.etcd.authority, datetime.now(UTC)
    use(
        site,
        authority.issue("expired", server=False, not_before=now - timedelta(days=9), not_after=now - timedelta(days=2)),
    )
    refused(site, r"expired.crt: the certificate \(CN=expired\) expired on \d{4}-.*Z -> issue a new client certificate")
    use(
        site,
        authority.issue("early", server=False, not_before=now + timedelta(days=2), not_after=now + timedelta(days=9)),
    )
    refused(site, r"the certificate \(CN=early\) is not valid before \d{4}-")
    use(site, KeyPair(site.etcd.client.certificate, authority.issue("other", server=False).key))
    refused(site, r"the key does not belong to the certificate \(CN=client\)")


def test_an_expired_certificate_of_the_worker_stops_no_restore(site: Site) -> None:
    """It asks each member through SSH, with the member's own certificate."""
    authority, now = site.etcd.authority, datetime.now(UTC)
    old, end = now - timedelta(days=9), now - timedelta(days=2)
    use(site, authority.issue("expired", server=False, not_before=old, not_after=end))
    with pytest.raises(Refused, match="the bucket has no backup of this cluster"):
        etcd_restore_from_s3(site.name)


def test_a_certificate_of_another_authority_is_refused_by_the_handshake(site: Site, tmp_path: Path) -> None:
    """In both directions: etcd does not know our CA, or we do not know etcd's."""
    stranger = Authority(tmp_path / "stranger", "stranger")
    site.write(etcd={"client": site.profile["etcd"]["client"] | {"ca": f"file:{stranger.ca}"}})
    refused(site, "no member of etcd lets us in: .*server's certificate is not signed by the CA of the profile")
    site.write(etcd={"client": site.profile["etcd"]["client"] | {"ca": f"file:{site.etcd.ca}"}})
    use(site, stranger.issue("stranger", server=False))
    refused(site, "no member of etcd lets us in: .*etcd does not accept the client certificate")


def test_an_unknown_host_key_and_a_changed_one_are_refused(
    new_site: NewSite, etcd1: EtcdCluster, tmp_path: Path
) -> None:
    """With the fingerprints, before the login and before the node's certificate is asked for."""
    site = new_site(etcd1)
    with Sshd(tmp_path / "sshd") as sshd:
        site.through(sshd)
        known = sshd.known_hosts.read_text()
        sshd.known_hosts.write_text("")
        assert "SHA256:" in refused(site, "cp1: .*known_hosts", route="tunnel")
        sshd.known_hosts.write_text(known)
        sshd.new_host_key()
        sshd.restart()
        assert refused(site, "cp1: .*changed", route="tunnel").count("SHA256:") == 2


def test_a_known_hosts_file_that_is_missing_is_refused(new_site: NewSite, etcd1: EtcdCluster, tmp_path: Path) -> None:
    """Before anything is connected to, whatever the route."""
    site = new_site(etcd1)
    with Sshd(tmp_path / "sshd") as sshd:
        site.through(sshd)
    site.write(ssh={"known_hosts": str(tmp_path / "none")})
    refused(site, f"ssh.known_hosts: {tmp_path}/none does not exist")


def test_a_route_that_the_profile_cannot_offer_is_refused(site: Site) -> None:
    """With what is missing for it."""
    refused(site, "route 'tunnel' needs ssh, nodes, and the node of each of etcd.endpoints", route="tunnel")


def test_an_unknown_member_lists_the_known_ones(site: Site) -> None:
    """With their ids, in the sentence and in the stored report."""
    assert "m1 (" in refused(site, "member 'cp9' is unknown -> use one of: ", member="cp9")
    [report] = site.reports()
    assert (report["outcome"], report["plan"]["refusals"][0]["problem"]) == ("refused", "member 'cp9' is unknown")


def test_a_member_name_that_matches_two_asks_for_the_id(new_site: NewSite, tmp_path: Path) -> None:
    """And the id is then taken."""
    with EtcdCluster(tmp_path / "twins", ("twin",)) as etcd:
        etcd.add_member("twin")
        site = new_site(etcd)
        sentence = refused(site, "member 'twin' matches 2 members -> give the id: ", member="twin")
        etcd_backup_to_s3(site.name, member=sentence[-16:])
        assert site.manifests()[0]["snapshot"]["member_id"] == sentence[-16:]


def test_a_backup_that_does_not_exist_shows_the_newest(site: Site) -> None:
    """And one that cannot be an id is told the same."""
    with pytest.raises(
        Refused, match=f"the bucket has no backup of this cluster -> run `kube-runbooks run etcd-backup {site.name}`"
    ):
        etcd_restore_drill(site.name)
    etcd_backup_to_s3(site.name)
    [known] = site.manifests()
    with pytest.raises(Refused, match=f"backup 'nope' does not exist -> use latest, or one of the 1 .*{known['id']}"):
        etcd_restore_drill(site.name, "nope")


def test_a_manifest_that_was_tampered_with_is_refused(site: Site) -> None:
    """Cut off, moved from another backup, or of another cluster."""
    etcd_backup_to_s3(site.name)
    [good] = site.manifests()
    key = f"{site.name}/etcd/{good['id']}/manifest.json"
    body, store = site.read(key), site.s3.client()
    for changed, told in (
        (body[:100], "is no manifest of ours"),
        (body.replace(f'"cluster": "{site.name}"'.encode(), b'"cluster": "other"'), "of cluster other"),
        (body.replace(b'"format": 1', b'"format": 2'), "is no manifest of ours: format"),
    ):
        store.put_object(Bucket=site.bucket, Key=key, Body=changed)
        with pytest.raises(Refused, match=told):
            etcd_restore_drill(site.name)
