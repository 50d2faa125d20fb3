"""Stores that are not AWS, and AWS where it is strict: rules for the proxy in front of a real store, which then answers as they do."""

from datetime import UTC, datetime, timedelta

from tests.servers.proxies import Request, S3Proxy


def knows_no_checksums(proxy: S3Proxy) -> None:
    """As stores from before 2024: a body in chunks of AWS with a trailer, or a sum in a header, is nothing that they have."""

    def is_new(request: Request) -> bool:
        names = set(request.headers)
        return "aws-chunked" in request.headers.get("content-encoding", "") or any(
            "x-amz-checksum" in name for name in names
        )

    proxy.on(method="PUT", when=is_new).answer(
        501, "NotImplemented", details={"Message": "A header you provided is not implemented"}
    )


def wants_virtual_hosts(proxy: S3Proxy, bucket: str) -> None:
    """As some clouds: the bucket is in the name of the host."""

    def is_by_path(request: Request) -> bool:
        return not request.headers["host"].startswith(f"{bucket}.")

    proxy.on(when=is_by_path).answer(
        403, "SecondLevelDomainForbidden", details={"Message": "Please use virtual hosted style to access."}
    )


def has_another_clock(proxy: S3Proxy, ahead: timedelta) -> None:
    """It refuses what was signed more than 15 minutes from its own time, and says both."""
    now = datetime.now(UTC)
    times = {"RequestTime": f"{now:%Y%m%dT%H%M%SZ}", "ServerTime": f"{now + ahead:%Y-%m-%dT%H:%M:%SZ}"}
    proxy.on().answer(403, "RequestTimeTooSkewed", details=times)


def wants_sums(proxy: S3Proxy) -> None:
    """As AWS for a bucket with Object Lock: no object and no part without a sum of it."""

    def has_none(request: Request) -> bool:
        names = " ".join(request.headers) + request.headers.get("x-amz-trailer", "")
        return "content-md5" not in names and "x-amz-checksum" not in names

    message = (
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    )
    proxy.on(method="PUT", when=has_none).answer(400, "InvalidRequest", details={"Message": message})
