"""`make demo`: a real etcd of three members backed up to a real S3 server, restored, compared, and cleaned up."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from tests.servers.binaries import NoBinariesError
from tests.servers.etcd import EtcdCluster
from tests.servers.prefect_server import PrefectServer
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

KEYS, VALUE_BYTES = 8000, 4000
"""About as much as a small cluster holds: 50 MB."""


def main() -> int:
    """Runs the demo; 0 when the backup was made, restored and found equal."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the servers until Ctrl-C, to look around in the UI")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    started = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="kube-runbooks-demo-") as folder,
            _servers(Path(folder)) as (site, prefect),
        ):
            os.environ.update(prefect.env | site.environment | {"PREFECT_LOGGING_LEVEL": "WARNING"})
            _run(site)
            _say(f"The demo took {time.monotonic() - started:.0f} s.")
            if options.keep:
                _wait(site, prefect)
    except NoBinariesError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("Stopped; the servers and their files are gone.")
        return 130
    _say("The servers and their files are gone.")
    return 0


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[Site, PrefectServer]]:
    """All of them at once: Prefect takes the longest."""
    _say("Starting three etcd members with mTLS, an S3 server and a Prefect server, on loopback ...")
    prefect = PrefectServer(folder / "prefect", ui=True)
    s3 = S3Server(folder / "s3")
    etcd = EtcdCluster(folder / "etcd", ("cp1", "cp2", "cp3"))
    with ExitStack() as started:
        with ThreadPoolExecutor(max_workers=3) as pool:
            for ready in [pool.submit(server.__enter__) for server in (prefect, s3, etcd)]:
                ready.result()
        for server in (prefect, s3, etcd):
            started.push(server.__exit__)
        s3.create_bucket("demo")
        written = etcd.seed(KEYS, VALUE_BYTES)
        _say(f"etcd holds {written.keys} keys.")
        yield Site(folder / "site", "demo", etcd, s3), prefect


def _run(site: Site) -> None:
    # Imported here: Prefect reads its settings from the environment when it is imported.
    from flows.etcd_backup_to_s3 import etcd_backup_to_s3  # noqa: PLC0415
    from flows.etcd_restore_drill import etcd_restore_drill  # noqa: PLC0415

    _say("Running etcd_backup_to_s3(cluster='demo', drill=True) ...")
    report = etcd_backup_to_s3(site.name, drill=True)
    _show(report.summary)
    for step in report.done:
        _say(f"  {step.took.total_seconds():6.2f} s  {step.step}")
    _say("Running etcd_restore_drill(cluster='demo'): the same proof from the bucket alone ...")
    _show(etcd_restore_drill(site.name).summary)
    _say(f"In the bucket: {', '.join(site.keys())}")


def _show(summary: tuple[str, ...]) -> None:
    for line in summary:
        _say(f"  * {line}")


def _wait(site: Site, prefect: PrefectServer) -> NoReturn:
    _say(
        f"Prefect UI: {prefect.api_url.removesuffix('/api')}   profile: {site.clusters}/demo.yaml   Ctrl-C ends it all."
    )
    while True:
        signal.pause()


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
