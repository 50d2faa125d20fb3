"""How boto3 is told to speak to a store, what a store's errors mean, and the sums of parts that a node sends (F18)."""

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tasks.clients.objectstore.connection import connect
from tasks.clients.objectstore.failures import in_our_words
from tasks.clients.objectstore.values import StoreKeys
from tasks.core.errors import Refused
from tasks.core.models.profile import Store
from tasks.core.shell import ROOT

KEYS = StoreKeys("access", "secret")
LOCK = {"mode": "GOVERNANCE", "days": 1}


def store(**fields: Any) -> Store:  # noqa: ANN401 - as the profile has them
    """With an endpoint of its own."""
    return Store.model_validate({"bucket": "backups", "endpoint": "https://s3.example", **fields})


@pytest.mark.parametrize(("said", "told"), [({}, "when_supported"), ({"checksums": "when_required"}, "when_required")])
def test_checksums_are_those_of_the_profile(said: dict[str, str], told: str) -> None:
    """boto3 sends trailers that older stores refuse."""
    config: Any = connect(store(**said), KEYS).meta.config  # its stubs do not know this field
    assert config.request_checksum_calculation == told


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ({}, "https://s3.example/backups/x?"),
        ({"addressing": "path"}, "https://s3.example/backups/x?"),
        ({"addressing": "virtual"}, "https://backups.s3.example/x?"),
    ],
)
def test_the_bucket_is_where_the_profile_says(said: dict[str, str], url: str) -> None:
    """In the path, or in the name of the host."""
    client = connect(store(**said), KEYS)
    assert client.generate_presigned_url("get_object", {"Bucket": "backups", "Key": "x"}).startswith(url)


@pytest.mark.parametrize(
    ("call", "code", "hint"),
    [
        ("PutObject", "NotImplemented", "set store.checksums to when_required"),
        ("UploadPart", "SignatureDoesNotMatch", "set store.checksums to when_required"),
        ("HeadBucket", "SecondLevelDomainForbidden", "set store.addressing to virtual"),
        ("HeadBucket", "RequestTimeTooSkewed", "correct the clock of the worker, or that of the store"),
    ],
)
def test_an_error_names_the_field_that_helps(call: str, code: str, hint: str) -> None:
    """By the store's own code; it spoke of keys and of free space."""
    answer: Any = {
        "Error": {
            "Code": code,
            "Message": "no",
            "ServerTime": "2026-11-30T20:20:00Z",
            "RequestTime": "20261130T200000Z",
        },
        "ResponseMetadata": {"HTTPStatusCode": 403, "HTTPHeaders": {}},
    }
    with pytest.raises(Refused) as refused, in_our_words(store(), call):
        raise ClientError(answer, call)
    assert hint in refused.value.hint
    clocks = "the store's clock: 2026-11-30T20:20:00Z; the worker's: 20261130T200000Z"
    assert (clocks in refused.value.problem) is (code == "RequestTimeTooSkewed")


def test_a_node_gives_each_part_its_md5(tmp_path: Path) -> None:
    """In base64 of its octets, as Content-MD5 has it: under Object Lock AWS takes no part without one."""
    lib = (ROOT / "tasks/backup/scripts/send.lib.sh").read_text()
    given = tmp_path / "headers"
    curl = f"curl() {{ cat > {tmp_path}/sent; printf '%s\\n' \"$@\" > {given}; printf 'ETag: \"1\"\\r\\n'; }}"
    data = bytes(range(256)) * 40
    (tmp_path / "file").write_bytes(data)
    script = (
        f"cd {tmp_path}\nca=\nPART_BYTES=4096\nPART_TRIES=1\n{lib}\n{curl}\nput 2 file 4096 4096 https://s3.example/x\n"
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b'etag 2 "1"\n'), done.stderr
    part = data[4096:8192]
    assert (tmp_path / "sent").read_bytes() == part
    md5 = base64.b64encode(hashlib.md5(part, usedforsecurity=False).digest()).decode()
    assert f"Content-MD5: {md5}" in given.read_text().splitlines()


def test_under_object_lock_old_checksums_are_md5() -> None:
    """Where new ones are not wanted."""
    for lock, wanted in ((None, None), (LOCK, base64.b64encode(hashlib.md5(b"x", usedforsecurity=False).digest()))):
        client = connect(store(checksums="when_required", object_lock=lock), KEYS)
        sent: list[Any] = []

        def answer(request: Any, sent: list[Any] = sent, **_: object) -> None:  # noqa: ANN401 - boto's own
            sent.append(request.headers.get("Content-MD5"))
            raise ConnectionError

        client.meta.events.register("before-send.s3.PutObject", answer)
        with pytest.raises(ConnectionError):
            client.put_object(Bucket="backups", Key="x", Body=b"x")
        assert sent == [wanted]
