"""Right before a defragmentation the lock is asked for: questions to members that hang take longer than a lock lasts."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.core.models.etcd import Member
from tasks.etcd import steps as maintenance


def test_the_lock_is_asked_for_after_all_other_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was lost meanwhile forbids the act."""
    asked: list[str] = []

    def ask(what: str, answer: object = None) -> Any:  # noqa: ANN401 - in place of several functions
        def answers(*_: object, **__: object) -> object:
            asked.append(what)
            return answer

        return answers

    monkeypatch.setattr(maintenance, "look_at_members", ask("members", SimpleNamespace()))
    monkeypatch.setattr(maintenance, "found_in", lambda *_: None)
    monkeypatch.setattr(maintenance, "what_ails", lambda _: "")
    monkeypatch.setattr(maintenance, "_control_plane", ask("control plane"))
    monkeypatch.setattr(maintenance, "what_forbids_defragmenting", lambda *_, **__: "")

    def check() -> None:
        asked.append("lock")
        raise Refused("this run has lost the lock")

    with pytest.raises(Refused, match="lost the lock"):
        maintenance._gate(  # noqa: SLF001 - its last question
            cast("Cluster", None), "auto", cast("Member", None), check, allow_downtime=False
        )
    assert asked == ["members", "control plane", "lock"]
