"""Where containerd pulls images from: its hosts.toml, as its documentation has it."""

import pytest

from tasks.registries.probes.mirrors import Place, option, places_of

FOLDER = "/etc/containerd/certs.d/docker.io"
MIRRORS = """
server = "https://registry-1.docker.io"

[host."http://mirror:5000"]
  capabilities = ["pull", "resolve"]
  skip_verify = true
  [host."http://mirror:5000".header]
    x-key = ["a", 'b"']

[host."https://push.example"]
  capabilities = ["push"]

[host."https://other.example/v2/proxy/"]
  override_path = true
  ca = "ca.crt"
  client = [["/pki/a.crt", "/pki/a.key"]]

[host."plain.example"]
  client = "both.pem"
"""


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("docker.io", "https://registry-1.docker.io/v2"),
        ("ghcr.io", "https://ghcr.io/v2"),
        ("registry:5000", "https://registry:5000/v2"),
        ("localhost:5000", "http://localhost:5000/v2"),
    ],
)
def test_without_a_file_the_registry_itself_is_asked(registry: str, url: str) -> None:
    """By TLS, unless it is on the node."""
    assert places_of(registry) == (Place(url),)


def test_mirrors_come_in_their_order_and_the_registry_last() -> None:
    """Only those that resolve names; each with its files and headers."""
    assert places_of("docker.io", MIRRORS, FOLDER) == (
        Place("http://mirror:5000/v2", "docker.io", ("insecure", 'header = "x-key: a"', 'header = "x-key: b\\""')),
        Place(
            "https://other.example/v2/proxy",
            "docker.io",
            (f'cacert = "{FOLDER}/ca.crt"', 'cert = "/pki/a.crt"', 'key = "/pki/a.key"'),
        ),
        Place("https://plain.example/v2", "docker.io", (f'cert = "{FOLDER}/both.pem"',)),
        Place("https://registry-1.docker.io/v2"),
    )
    assert places_of("docker.io", MIRRORS, FOLDER)[0].host == "http://mirror:5000"


def test_a_server_that_is_a_mirror_too_is_asked_once() -> None:
    """And what is set at the top of the file is for the server."""
    text = 'server = "http://m:1"\n[host."http://m:1"]\ncapabilities = ["resolve"]\n'
    assert places_of("ghcr.io", text, FOLDER) == (Place("http://m:1/v2", "ghcr.io"),)
    assert places_of("ghcr.io", 'ca = "/ca.crt"', FOLDER) == (Place("https://ghcr.io/v2", "", ('cacert = "/ca.crt"',)),)


@pytest.mark.parametrize("text", ["host = [", 'ca = ["a", "b"]', '[header]\na = "b\\nurl = x"'])
def test_what_is_not_known_here_is_an_error(text: str) -> None:
    """It is never asked for in another way."""
    with pytest.raises(ValueError, match=r"."):
        places_of("ghcr.io", text, FOLDER)


def test_a_value_stays_one_value_for_curl() -> None:
    """Whatever it contains."""
    assert option("header", 'a"b\\c') == 'header = "a\\"b\\\\c"'
