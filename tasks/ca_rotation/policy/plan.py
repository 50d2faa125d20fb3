"""Plans a stage: the remaining work on each node with the reason, and what must be proven before it may begin."""

from datetime import datetime

from tasks.ca_rotation.models import CaRotationFacts, CaRotationOptions, CaRotationPlan, Stage
from tasks.ca_rotation.policy.left import act_on, is_to_be_put_away, reasons_to_act_on, reasons_to_publish, work_on
from tasks.ca_rotation.policy.rules import findings_of
from tasks.ca_rotation.policy.situation import StageSituation
from tasks.ca_rotation.policy.trust import AFTER
from tasks.core.models.plan import Caution, Refusal, Skip, Step
from tasks.core.models.profile import CertificateRules


def plan_ca_rotation(
    facts: CaRotationFacts,
    stage: Stage,
    options: CaRotationOptions,
    rules: CertificateRules,
    *,
    now: datetime,
) -> CaRotationPlan:
    """Plans a stage: control plane nodes one at a time, the etcd leader last, then worker nodes.

    A finished node is a skip.
    """
    situation = StageSituation(facts, stage, options, rules, now)
    left = {node.name: reasons_to_act_on(node, situation) for node in situation.nodes}
    away = [node.name for node in situation.nodes if is_to_be_put_away(node, situation)]
    publishes = tuple(reasons_to_publish(situation))
    findings = list(findings_of(situation))
    return CaRotationPlan(
        authority=facts.authority,
        stage=stage,
        nodes=tuple(work_on(node, situation) for node in situation.nodes if left[node.name]),
        machines=tuple(node.name for node in situation.control_planes),
        puts_away=tuple(away),
        steps=(
            *(
                Step(subject=name, act=act_on(name, situation), reason="; ".join(why))
                for name, why in left.items()
                if why
            ),
            *(Step(subject="API", act="publish what nodes trust", reason=why) for why in publishes),
            *(Step(subject=name, act="put the halves away", reason="the old one is no longer needed") for name in away),
        ),
        skips=tuple(Skip(subject=name, reason=f"it is {AFTER[stage]}") for name, why in left.items() if not why),
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )
