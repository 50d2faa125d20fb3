"""A lab's S3 store: run inside its namespaces, on the gateway's address, until the lab ends."""

import json
import signal
import sys
from pathlib import Path

from tests.lab.namespaces import Namespaces
from tests.lab.shape import BUCKET
from tests.servers.seaweedfs import S3Server


def main(folder: Path, address: str) -> None:
    """Serve, and say where and with which keys."""
    server = S3Server(folder, address=address)
    Namespaces(folder.parents[1]).leave_behind(*server.sockets)  # before it starts: it may be killed at any moment
    with server:
        server.create_bucket(BUCKET)
        told = {"endpoint": server.endpoint, "access_key": server.access_key, "secret_key": server.secret_key}
        path = folder / "store.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(told))
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
