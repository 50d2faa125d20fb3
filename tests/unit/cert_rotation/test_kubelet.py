"""Client certificates of kubelets: signed where the CA's key is, and neither key moves."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest

from tasks.cert_rotation.kubelet import renew_late_kubelet, signers_among
from tasks.cert_rotation.models.rotation import NodeRotation
from tasks.cert_rotation.node import result
from tasks.certificates.probes import kubelet
from tasks.certificates.probes.x509 import certificates_in
from tasks.core.errors import NotYet
from tests.facts.certificates import NOW, changed
from tests.facts.rotation_fleet import Fleet, FleetNode
from tests.facts.rotation_machine import Machine


def test_kubelets_are_signed_where_the_key_is_and_neither_key_moves() -> None:
    """A node that has the authority's key signs its own; a node whose certificate is new already is left alone."""
    fleet = Fleet()
    signers = signers_among([fleet.node(name) for name in ("cp1", "cp2", "cp3")], FleetNode.folder)
    assert [one.name for one in signers] == ["cp2", "cp3"]
    fleet.disk["cp2"] = changed(fleet.disk["cp2"], "kubelet-client", not_after=NOW)
    new = datetime.now(UTC) + timedelta(hours=99)
    fleet.disk["cp3"] = changed(fleet.disk["cp3"], "kubelet-client", not_after=new)
    works = [fleet.work(NodeRotation(name=name, kubelet=True, kubelet_hours=100)) for name in ("w1", "cp2", "cp3")]
    for work in works:
        renew_late_kubelet(work, signers)
    assert sorted(fleet.done) == ["cp2 installs", "cp2 signs", "cp2 signs", "w1 installs"]
    assert [set(result(work).renewed) for work in works] == [{"kubelet-client"}] * 3
    fleet.disk["w1"] = fleet.disk["w1"].model_copy(update={"processes": ()})
    with pytest.raises(NotYet, match="w1: its kubelet does not run"):
        renew_late_kubelet(works[0], signers)


def test_a_kubelets_certificate_is_signed_for_its_own_key_and_its_own_name_only(machine: Machine) -> None:
    """The request goes to a control plane node, the certificate comes back; both are public."""
    pki = machine.root / "kubelet"
    pki.mkdir()
    here = "/var/lib/kubelet/pki"
    machine.shell(
        f"cd {pki}; openssl ecparam -name prime256v1 -genkey -noout -out old.pem; "
        f"ln -s {pki}/old.pem kubelet-client-current.pem"
    )
    systemctl = machine.bin / "systemctl"
    systemctl.write_text("#!/bin/sh\necho $* >> " + str(machine.root / "units") + "\n")
    systemctl.chmod(0o755)
    key = (pki / "old.pem").read_bytes()
    request = machine.shell(kubelet.ask_for_kubelet("w1").replace(here, str(pki))).stdout
    sign = kubelet.sign_for_kubelet(PurePosixPath(machine.folder), "w1", 48)
    signed = machine.shell(sign, request)
    assert signed.returncode == 0, signed.stderr
    [certificate] = certificates_in(signed.stdout)
    assert certificate.subject.rfc4514_string() == "CN=system:node:w1,O=system:nodes"
    assert certificate.not_valid_after_utc - datetime.now(UTC) < timedelta(hours=48)
    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(hours=47)
    refused = machine.shell(kubelet.sign_for_kubelet(PurePosixPath(machine.folder), "w2", 48), request)
    assert refused.returncode == 1
    assert b"not asked for by w2" in refused.stderr
    install = kubelet.install_for_kubelet().replace(here, str(pki))
    assert machine.shell(install, (machine.folder / "pki" / "ca.crt").read_bytes()).returncode == 1
    assert (pki / "kubelet-client-current.pem").read_bytes() == key
    done = machine.shell(install, signed.stdout)
    assert done.returncode == 0, done.stderr
    new = (pki / "kubelet-client-current.pem").read_bytes()
    assert new.endswith(key[key.index(b"-----BEGIN EC PRIVATE KEY") :])
    assert certificates_in(new) == (certificate,)
    assert (pki / "kubelet-client-current.pem").resolve().stat().st_mode & 0o777 == 0o600
    assert "restart kubelet" in (machine.root / "units").read_text()
    assert key.splitlines()[-2] not in done.stdout + signed.stdout + request
