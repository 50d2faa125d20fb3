"""`make bench`: our routes beside what people do today, and how time and memory grow. Prints figures, judges nothing."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.servers.binaries import ETCD_VERSION, ROOT
from tests.servers.etcd import EtcdCluster
from tests.servers.proxies import S3Proxy
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site
from tests.servers.sshd import Sshd

Figures = dict[str, float]

VALUE_BYTES = 3000
VALUES_PER_MB = 247
"""Of that size in a MB of database, counted here."""

GROWTH_MB = (50, 200, 500, 1000, 2000)
SLOW_BYTES_PER_SECOND = 10_000_000
IDLE, DIRECT, VERIFIED, TUNNEL, TODAY = "idle process", "direct", "direct, read back", "tunnel", "today's way"


class Bench:
    """One etcd member, one store, one sshd, and the ways to measure on them."""

    def __init__(self, folder: Path, started: ExitStack) -> None:
        flags = [f"--quota-backend-bytes={8 * 2**30}"]
        self.folder = folder
        self.etcd = started.enter_context(EtcdCluster(folder / "etcd", ("solo",), flags=flags))
        self.s3 = started.enter_context(S3Server(folder / "s3"))
        self.proxy = started.enter_context(S3Proxy(self.s3.endpoint))
        self.sshd = started.enter_context(Sshd(folder / "sshd"))
        self.s3.create_bucket("bench")
        self.site = Site(folder / "site", "bench", self.etcd, self.s3)
        self.site.through(self.sshd)
        self._keys = 0

    def grow(self, megabytes: int) -> None:
        """Seed until the database has about that size."""
        wanted = megabytes * VALUES_PER_MB
        self.etcd.seed(wanted - self._keys, VALUE_BYTES, ratio=3.3, prefix=f"/registry/grown-{megabytes}/")
        self._keys = wanted

    def measure(self, way: str) -> Figures:
        """One process of its own."""
        arguments = {
            IDLE: ("idle", "bench"),
            DIRECT: ("ours", "bench", "direct", "streamed"),
            VERIFIED: ("ours", "bench", "direct", "verified"),
            TUNNEL: ("ours", "bench", "tunnel", "streamed"),
            TODAY: ("today", "bench", str(self.folder), str(self.etcd.binaries / "etcdctl")),
        }[way]
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.driver", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.site.environment, "PREFECT_LOGGING_LEVEL": "WARNING"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures


def main() -> int:
    """Everything, in the order of its worth."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size-mb", type=int, default=430, help="of the database of the comparison (default 430)")
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison (default 5)")
    parser.add_argument("--skip-growth", action="store_true", help="only the comparison")
    parser.add_argument("--markdown", type=Path, help="write what is printed to this file, too")
    options = parser.parse_args()
    lines: list[str] = []

    def say(line: str = "") -> None:
        print(line, flush=True)
        lines.append(line)

    try:
        with tempfile.TemporaryDirectory(prefix="kube-runbooks-bench-") as folder, ExitStack() as started:
            for line in _head():
                say(line)
            bench = Bench(Path(folder), started)
            if not options.skip_growth:
                _growth(bench, [size for size in GROWTH_MB if size < options.size_mb], say)
            _comparison(bench, options.size_mb, options.rounds, say)
            if not options.skip_growth:
                _growth(bench, [size for size in GROWTH_MB if size >= options.size_mb], say)
                _slow_store(bench, say)
    except KeyboardInterrupt:
        say("Stopped; the servers and their files are gone.")
        return 130
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n")
    return 0


def _head() -> Iterator[str]:
    model = next(
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    )
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "boto3", "zstandard", "prefect"))
    yield f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of {model}, load before: {load}"
    yield f"- etcd {ETCD_VERSION}, Python {platform.python_version()}, {packages}"
    yield "- etcd, SeaweedFS (plain HTTP), sshd and the measured process share these cores; loopback, no round-trip time"


def _comparison(bench: Bench, size_mb: int, rounds: int, say: Callable[..., None]) -> None:
    bench.grow(size_mb)
    ways = (DIRECT, VERIFIED, TUNNEL, TODAY)
    bench.measure(DIRECT)  # warms the page cache
    idle = bench.measure(IDLE)
    taken: dict[str, list[Figures]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            taken[way].append(bench.measure(way))
    size = taken[DIRECT][0]["bytes"]
    say()
    say(f"## {size / 1e6:.0f} MB of database, {rounds} rounds in turn, median (min-max)")
    say()
    say("| way | MB/s | to today's, pair by pair | CPU s (children) | peak RSS MB | above idle | disk MB | object MB |")
    say("|---|---|---|---|---|---|---|---|")
    for way in ways:
        say(_row(way, taken[way], taken[TODAY], idle))
    say()
    say(
        f"Idle is a flow's process that streams nothing: {idle['rss'] / 1e6:.0f} MB, {idle['cpu']:.1f} CPU s, most of it imports,"
    )
    say(
        "and contained in each CPU figure of ours. Direct and tunnel include the hash of the live key space; today's way verifies nothing."
    )


def _row(way: str, taken: Sequence[Figures], today: Sequence[Figures], idle: Figures) -> str:
    speeds = [one["bytes"] / 1e6 / one["seconds"] for one in taken]
    ratios = [theirs["seconds"] / one["seconds"] for one, theirs in zip(taken, today, strict=True)]
    rss = max(one["rss"] for one in taken)
    cells = [
        way,
        _spread(speeds, ".0f"),
        _spread(ratios, ".2f"),
        f"{_median(taken, 'cpu'):.1f} ({_median(taken, 'cpu_children'):.1f})",
        f"{rss / 1e6:.0f}",
        f"{(rss - idle['rss']) / 1e6:+.0f}",
        f"{_median(taken, 'disk') / 1e6:.0f}",
        f"{_median(taken, 'stored') / 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _growth(bench: Bench, sizes: Sequence[int], say: Callable[..., None]) -> None:
    say()
    say("| direct route, database MB | s | MB/s | CPU s | peak RSS MB | above idle |")
    say("|---|---|---|---|---|---|")
    for size in sizes:
        bench.grow(size)
        say(_growth_row(bench, ""))


def _slow_store(bench: Bench, say: Callable[..., None]) -> None:
    """The store takes less than etcd gives: what is between them must not pile up in memory."""
    bench.site.write(store={"endpoint": bench.proxy.endpoint})
    bench.proxy.on(method="PUT", path="snapshot").slow(SLOW_BYTES_PER_SECOND)
    say(_growth_row(bench, f", a store that takes {SLOW_BYTES_PER_SECOND / 1e6:.0f} MB/s on each connection"))


def _growth_row(bench: Bench, remark: str) -> str:
    idle, figures = bench.measure(IDLE), bench.measure(DIRECT)
    size, seconds = figures["bytes"] / 1e6, figures["seconds"]
    rss = figures["rss"] / 1e6
    return (
        f"| {size:.0f}{remark} | {seconds:.1f} | {size / seconds:.0f} | {figures['cpu']:.1f} | {rss:.0f} "
        f"| {rss - idle['rss'] / 1e6:+.0f} |"
    )


def _median(taken: Sequence[Figures], name: str) -> float:
    return statistics.median(one[name] for one in taken)


def _spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    sys.exit(main())
