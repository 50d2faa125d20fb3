"""Who blocks a shutdown, as logind says it."""

import base64

import pytest

from tasks.core.probes.inhibitors import who_blocks

JSON = (
    '{"type":"a(ssssuu)","data":[[["shutdown","Unattended Upgrades Shutdown","Stop ongoing upgrades","delay",0,812],'
    '["shutdown:sleep","Package Manager","dnf is running","block",0,4021],["handle-lid-switch","x","y","block",0,1]]]}'
)
TYPED = 'a(ssssuu) 2 "shutdown" "a \\"b\\" c" "" "block" 0 7 "sleep" "x" "y z" "block" 1000 8'


def told(kind: str, text: str) -> str:
    """As the node prints it."""
    return f"{kind} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (told("json", JSON), ("Package Manager (dnf is running, pid 4021)",)),
        (told("typed", TYPED), ('a \\"b\\" c (, pid 7)',)),
        (told("typed", "a(ssssuu) 0"), ()),
        ("none", ()),
        (told("unseen", "x\nFailed to connect to bus"), ("somebody unknown (logind: Failed to connect to bus)",)),
        (told("unseen", ""), ("somebody unknown (logind: no answer)",)),
    ],
)
def test_who_blocks_a_shutdown(line: str, found: tuple[str, ...]) -> None:
    """Not who only delays it, or blocks something else; no answer is somebody unknown."""
    assert who_blocks(line) == found


@pytest.mark.parametrize(
    "line",
    [
        told("json", ""),
        told("json", '{"type":"a(ssssu)","data":[[]]}'),
        told("json", '{"type":"a(ssssuu)","data":[["shutdown"]]}'),
        told("typed", 'a(ssssuu) 2 "shutdown" "x" "y" "block" 0 7'),
        told("typed", 'a(ssssuu) 1 "shutdown" "x" "y" "block" root 7'),
        told("typed", "s 0"),
        told("typed", ""),
        "json !",
    ],
)
def test_a_list_that_could_not_be_parsed_is_not_an_empty_one(line: str) -> None:
    """Somebody may be on it."""
    assert who_blocks(line) == ("somebody unknown (logind: its list of inhibitors could not be parsed)",)


def test_a_list_that_was_not_printed_is_somebody_unknown() -> None:
    """The node said nothing of it."""
    assert who_blocks("") == ("somebody unknown (logind: no answer)",)
