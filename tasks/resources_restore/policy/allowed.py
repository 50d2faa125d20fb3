"""Decides right before an act whether the object is still as the plan says."""

from tasks.resources_restore.models import Judged, Verdict

STEP = "`kube-runbooks run resources-restore CLUSTER --mode=plan` shows the new plan"


def why_not_now(planned: Judged, now: Judged, *, finishing: bool = False) -> str:
    """Returns why an object is not written now; empty if it is.

    What a controller made meanwhile in a namespace of this run gets the fields of the backup. `finishing` is the second
    pass over an object that this run has written.
    """
    if not now.is_fine:
        return f"{now.verdict}: {now.reason}"
    if now.verdict is Verdict.AFTER:
        return f"{now.reason}, and is not there"
    if finishing or planned.verdict is Verdict.AFTER or now.verdict is planned.verdict is Verdict.CREATE:
        return ""
    if planned.verdict is Verdict.UPDATE and now.verdict is Verdict.UPDATE and planned.uid == now.uid:
        news = set(now.difference) - set(planned.difference)
        return f"it has changed since the plan was made: {'; '.join(sorted(news))}" if news else ""
    return f"the plan was to {planned.verdict} it, and now the verdict is {now.verdict}: {now.reason}"
