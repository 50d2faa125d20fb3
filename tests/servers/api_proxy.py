"""A proxy between a client and the API server, which makes requests fail or wait."""

import ssl

from tests.servers.kubernetes import ControlPlane
from tests.servers.proxies import S3Proxy


class ApiProxy(S3Proxy):
    """Between the client and the API server: it speaks TLS to both, as the administrator to the server."""

    def __init__(self, cluster: ControlPlane) -> None:
        super().__init__(f"http://127.0.0.1:{cluster.port}", tls=cluster.authority.server("proxy"))
        self._to_server = ssl.create_default_context(cafile=str(cluster.ca))
        self._to_server.load_cert_chain(cluster.admin.certificate, cluster.admin.key)

    def _connecting_tls(self) -> ssl.SSLContext | None:
        return self._to_server
