"""What a drain may take long for, or hurt."""

from datetime import timedelta

from tasks.drain.models import DrainOptions
from tasks.drain.policy.forecast import forecast_drain
from tasks.nodes.models.workloads import Webhook
from tests.facts.drain import FORCE, OPTIONS, facts, forecast, node, pod


def test_what_may_take_long_or_hurt() -> None:
    """Cautions, that forbid nothing."""
    held, like = (pod(name, finalizers=("a", "b")) for name in ("held", "like"))
    slow = pod("slow", grace_period=timedelta(hours=1), controller=None)
    assert forecast(facts(held, like)).cautions == ("shop/web-1-* stays until somebody removes its finalizers a, b",)
    told = "shop/slow may take 1 h to stop, the drain's timeout is 15 min"
    assert forecast(facts(slow), FORCE).cautions == (told,)
    assert forecast(facts(slow), DrainOptions(force=True, grace_period=timedelta(seconds=5))).cautions == ()
    assert forecast(facts(slow.model_copy(update={"phase": "Failed"}))).cautions == ()
    lost = node("w1", ready=False, ready_message="kubelet is silent")
    (caution,) = forecast(facts(pod(), nodes=(lost, node("w2")))).cautions
    assert caution.startswith("w1 is not Ready: no kubelet confirms that its pods have stopped")
    assert forecast(facts(nodes=(lost,))).cautions == ()
    assert forecast_drain("w9", facts(), OPTIONS).cautions == ("no Node object with this name",)


def test_services_of_the_whole_cluster_that_stand_on_one_node() -> None:
    """Its DNS, and webhooks; not when another node has one too."""
    dns = pod("dns-a", namespace="kube-system", labels={"k8s-app": "kube-dns"})
    hook = Webhook(name="check", service="shop/hook", backends=("w1",))
    both = Webhook(name="both", service="shop/hook", backends=("w1", "w2"))
    assert forecast(facts(dns, webhooks=(hook, both))).cautions == (
        "all ready pods of the cluster's DNS are on w1: names fail for a moment",
        "webhook check: all ready pods of shop/hook are on w1: what it checks is refused for a moment",
    )
    other = dns.model_copy(update={"node": "w2", "uid": "b"})
    assert forecast(facts(dns, other)).cautions == ()
    sick = other.model_copy(update={"ready": False})
    assert len(forecast(facts(dns, sick)).cautions) == 1
    assert forecast(facts(webhooks=(hook,))).cautions == ()
