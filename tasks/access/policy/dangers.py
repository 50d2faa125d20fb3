"""Lists the rights with which a subject can take over more than it was given, and the reason for each."""

from typing import NamedTuple

from tasks.access.models.audit import Severity
from tasks.access.models.rights import Question

AUTHENTICATION = "authentication.k8s.io"
RBAC, ADMISSION, CERTIFICATES = "rbac.authorization.k8s.io", "admissionregistration.k8s.io", "certificates.k8s.io"


class Danger(NamedTuple):
    """Holds one dangerous thing: the rights that allow it, and what follows from them.

    `asked` are rights that a binding in a namespace can give. `everywhere` are rights on objects without a namespace.
    """

    id: str
    does: str
    because: str
    asked: tuple[Question, ...] = ()
    everywhere: tuple[Question, ...] = ()
    severity: Severity = Severity.HIGH
    in_namespace: Severity = Severity.MEDIUM
    named: bool = False
    """Whether a right for some names counts too."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """Returns all rights that allow it."""
        return (*self.asked, *self.everywhere)


def _rights(verbs: str, *resources: str, group: str = "") -> tuple[Question, ...]:
    """Returns a question for each verb and each resource; a resource may have its subresource behind it."""
    return tuple(
        Question(verb=verb, resource=one.partition("/")[0], subresource=one.partition("/")[2], group=group)
        for verb in verbs.split()
        for one in resources
    )


EVERYTHING = "everything"

DANGERS = (
    Danger(
        EVERYTHING,
        "do everything",
        "it has every other right of this list",
        _rights("*", "*", group="*"),
        in_namespace=Severity.HIGH,
    ),
    Danger(
        "read-secrets",
        "read Secrets",
        "Secrets have passwords, keys and tokens; list and watch return their content too",
        _rights("get list watch", "secrets"),
    ),
    Danger(
        "exec",
        "run commands in pods",
        "a command in a container has its files, its network and the token of its ServiceAccount",
        (*_rights("create get", "pods/exec", "pods/attach"), *_rights("update patch", "pods/ephemeralcontainers")),
    ),
    Danger(
        "create-pods",
        "create pods",
        "a pod can use every ServiceAccount and Secret of its namespace, and the node if no admission policy forbids it",
        (
            *_rights("create", "pods", "replicationcontrollers"),
            *_rights("create", "deployments", "daemonsets", "statefulsets", "replicasets", group="apps"),
            *_rights("create", "jobs", "cronjobs", group="batch"),
        ),
        severity=Severity.MEDIUM,
        in_namespace=Severity.LOW,
    ),
    Danger(
        "create-tokens",
        "create tokens of ServiceAccounts",
        "with such a token it acts as that ServiceAccount",
        _rights("create", "serviceaccounts/token"),
        named=True,
    ),
    Danger(
        "impersonate",
        "act as another user, group, ServiceAccount or node",
        "it has the rights of whomever it impersonates; a verb as impersonate:MODE needs impersonate-on:MODE:VERB too",
        (
            *_rights("impersonate", "serviceaccounts"),
            *_rights("impersonate:serviceaccount", "serviceaccounts", group=AUTHENTICATION),
        ),
        (
            *_rights("impersonate", "users", "groups"),
            *_rights("impersonate:user-info", "users", "groups", group=AUTHENTICATION),
            *_rights("impersonate:arbitrary-node impersonate:associated-node", "nodes", group=AUTHENTICATION),
        ),
        named=True,
    ),
    Danger(
        "escalate",
        "write roles with rights that it does not have",
        "the verb escalate switches off the check that protects roles",
        _rights("escalate", "roles", group=RBAC),
        _rights("escalate", "clusterroles", group=RBAC),
        in_namespace=Severity.HIGH,
        named=True,
    ),
    Danger(
        "bind",
        "bind roles with rights that it does not have",
        "the verb bind switches off the check that protects bindings",
        _rights("bind", "roles", group=RBAC),
        _rights("bind", "clusterroles", group=RBAC),
        in_namespace=Severity.HIGH,
        named=True,
    ),
    Danger(
        "write-bindings",
        "write bindings",
        "it can give each right that it has to others",
        _rights("create update patch", "rolebindings", group=RBAC),
        _rights("create update patch", "clusterrolebindings", group=RBAC),
        severity=Severity.MEDIUM,
        in_namespace=Severity.LOW,
    ),
    Danger(
        "use-nodes",
        "use the API of the kubelets",
        "the kubelet runs commands in every container of its node, and no audit log of the API server has them",
        everywhere=_rights("get create", "nodes/proxy"),
    ),
    Danger(
        "approve-certificates",
        "approve certificates",
        "an approved certificate can be that of another user or of a node",
        everywhere=(
            *_rights("update patch", "certificatesigningrequests/approval", group=CERTIFICATES),
            *_rights("approve sign", "signers", group=CERTIFICATES),
        ),
        named=True,
    ),
    Danger(
        "write-webhooks",
        "write admission webhooks",
        "a webhook reads and changes every object that is written, Secrets included",
        everywhere=_rights(
            "create update patch", "mutatingwebhookconfigurations", "validatingwebhookconfigurations", group=ADMISSION
        ),
    ),
    Danger(
        "create-volumes",
        "create PersistentVolumes",
        "a hostPath volume gives a pod the files of a node",
        everywhere=_rights("create", "persistentvolumes"),
        severity=Severity.MEDIUM,
    ),
    Danger(
        "label-namespaces",
        "change namespaces",
        "the labels of a namespace decide which pods Pod Security admits there",
        _rights("update patch", "namespaces"),
        severity=Severity.MEDIUM,
    ),
)
