"""Names the next step if an error itself names none."""

from tasks.check.models import Finding, State
from tasks.core.errors import NotYet, RunbookError

_BY_AREA = {
    "ssh": "check address and port of the node in nodes:, that its sshd runs, and the firewall between",
    "login shell": "run the command of the error there by hand, as ssh.user",
    "sudo": "run `sudo -n true` there by hand, as ssh.user",
    "api": "check that the API server runs there, and the firewall between",
    "etcd": "check that the member runs there, and the firewall between",
    "bucket": "check store.endpoint of the profile, that the store runs, and its log",
}
_ELSE = "correct what the error names; docs/profile.md explains every field"


def failed(area: str, subject: str, problem: str, hint: str = "", state: State = State.FAIL) -> Finding:
    """Returns a finding that always says what to do, and that names its subject only once."""
    told = problem.removeprefix(f"{subject}: ")
    return Finding(area=area, subject=subject, state=state, told=told, fix=hint or _BY_AREA.get(area, _ELSE))


def failed_by(area: str, subject: str, error: RunbookError, state: State = State.FAIL) -> Finding:
    """Returns the finding for an error. It always says what to do.

    The hint of a store's error is for runs: it says that the step is tried again. Here it is left out.
    """
    hint = "" if area == "bucket" and isinstance(error, NotYet) else error.hint
    return failed(area, subject, error.problem, hint, state)
