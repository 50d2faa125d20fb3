"""Converts an audit to a Prometheus text file."""

from tasks.access.models.audit import Audit, Severity
from tasks.certificates.policy.metrics import head, line
from tasks.network_policy.models import Verdict

FINDINGS = "kube_runbooks_access_findings"
NEW = "kube_runbooks_access_findings_new"
CELLS = "kube_runbooks_access_matrix_cells"
CHECKED = "kube_runbooks_access_matrix_checked"
ENFORCED = "kube_runbooks_access_network_policies"
OBSERVED = "kube_runbooks_access_observed_seconds"


def to_prometheus(audit: Audit, cluster: str) -> str:
    """Returns the counts of an audit as text for node_exporter's textfile collector or a Pushgateway."""
    own = {"cluster": cluster}
    lines = [
        *head(OBSERVED, "when the access was audited, Unix time"),
        line(OBSERVED, own, audit.observed_at.timestamp()),
    ]
    lines += head(FINDINGS, "findings that the policy does not accept")
    lines += [line(FINDINGS, own | {"severity": one}, sum(f.severity is one for f in audit.open)) for one in Severity]
    lines += head(NEW, "of these, findings that the previous audit did not have")
    lines.append(line(NEW, own, sum(one.is_new for one in audit.open)))
    lines += head(CHECKED, "1 if there is an access policy, so that its matrix was checked")
    lines.append(line(CHECKED, own, audit.has_policy))
    lines += head(CELLS, "cells of the matrix, by their result")
    lines.append(line(CELLS, own | {"result": "holds"}, len(audit.cells) - len(audit.failing)))
    lines.append(line(CELLS, own | {"result": "fails"}, len(audit.failing)))
    lines += head(ENFORCED, "whether the network enforces NetworkPolicies: 1 for the result, by who tried it")
    tried = {"pods": audit.enforcement} | ({"canary": audit.canary.enforcement} if audit.canary else {})
    for by, found in tried.items():
        lines += [line(ENFORCED, own | {"by": by, "result": one}, found.verdict is one) for one in Verdict]
    return "\n".join([*lines, ""])
