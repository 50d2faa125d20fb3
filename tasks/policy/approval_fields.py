"""The table of what an approval holds for: each field of each model of a plan, of the options and of the profile, with its reason.

`COVERED`: when it changes between question and answer, the run asks again. `LEFT_OUT`: it does not. A test fails when a field of any
of these models is in neither, so whoever adds one decides here.
"""

from tasks.models.backups import BackupPlan
from tasks.models.base import Model
from tasks.models.ca_rotation import CaRotationOptions, CaRotationPlan, NodeStage
from tasks.models.cluster import (
    AlertRules,
    BackupRules,
    CertificateRules,
    ClusterProfile,
    Console,
    Etcd,
    EtcdClientFiles,
    EtcdEndpoint,
    EtcdOnNode,
    Kubeadm,
    KubeconfigCopy,
    Kubernetes,
    MaintenanceRules,
    Node,
    ObjectLock,
    SiteGate,
    Ssh,
    SshGateway,
    Store,
    UpgradeRules,
)
from tasks.models.drain import DrainOptions
from tasks.models.etcd import Member, MemberStatus
from tasks.models.issue import IssuePlan, IssueRequest, Leaf, Machine, MachineWork
from tasks.models.maintenance import MaintenancePlan, Worth
from tasks.models.node_service import RebootOptions
from tasks.models.patch import Change, NodePatch, PatchOptions, PatchPlan
from tasks.models.plan import Caution, Line, Plan, Refusal, Skip, Step, Term
from tasks.models.restore import MemberOnNode, RestorePlan, RestoreRecord, RestoreTarget
from tasks.models.retention import Retention
from tasks.models.rotation import NodeRotation, RotationOptions, RotationPlan
from tasks.models.upgrade import NodeUpgrade, UpgradeOptions, UpgradePlan
from tasks.models.waves import Waves
from tasks.models.windows import Window

Reasons = dict[str, str]
"""Names of fields, with spaces between, to the reason that they have in common."""

_CHOICE = "somebody chose it, or its default: another value is another run"
_WORK = "it is done to this node"
_MEMBER = "which member it is, and how it stands when it is stopped or defragmented"
_FIGURES = "it grows with every write"
_ACCESS = "it says how the worker gets in, never what is done; host keys and certificates are checked"
_CAUTION = "a caution names what already fails, and is covered"
_ADVICE = "advice that follows from the problem"

COVERED: dict[type[Model], Reasons] = {
    # --- plans
    Plan: {
        "steps skips cautions refusals": "they are what a person reads",
        "evicts": "whose pods go, and what is lost, is what others notice; by controller, since names of pods and their nodes change all the time",
        "terms": "the same steps under other conditions are another thing",
    },
    Step: {"subject act": "who, and what", "reason": "why, without its figures"},
    Skip: {"subject": "who is left alone", "reason": "why, without its figures"},
    Caution: {
        "subject problem": "what a person has to know before, without its figures; not where it is nothing but a figure"
    },
    Refusal: {"subject problem": "what is in the way, without its figures"},
    Term: {"name value": "a condition of the run"},
    BackupPlan: {"cluster_id sources": "whose snapshot is taken"},
    MaintenancePlan: {"defragment nospace": "the members, in their order"},
    UpgradePlan: {
        "version before hops control_plane waves left_behind": "what goes where, in which order",
        "etcd_before": "the upgrade may move etcd",
        "ignored": "an ignored preflight error is a check that nobody makes",
    },
    NodeUpgrade: {
        "name control_plane kubelet target needs_kubeadm needs_kubelet applies begun unfinished": _WORK,
    },
    PatchPlan: {
        "control_plane waves": "what is done to whom, in which order",
        "waiting": "nodes that are not done in this window",
    },
    NodePatch: {"name control_plane changes reboot begun repair": _WORK},
    Change: {"package before after origins security": "these very versions are installed"},
    RotationPlan: {
        "control_plane kubelets": "what is renewed where, in which order",
        "machines by_ssh_alone": "all control plane nodes at once, or one at a time",
    },
    NodeRotation: {"name leaves anew restarts copies kubelet begun put_back by_ssh_alone": _WORK},
    CaRotationPlan: {"authority stage nodes machines puts_away": "what is trusted and who signs, on which node"},
    NodeStage: {"name control_plane state rotation kubelet": _WORK},
    RestorePlan: {"id backup targets control_planes nodes replaces ended serving": "what is replaced, by what, where"},
    RestoreRecord: {"id backup members phase replaces": "the attempt that this one replaces"},
    RestoreTarget: {"node member tools": "the member that is replaced"},
    MemberOnNode: {
        "name image unit version data_dir is_mount owner peer_url client_url peers on_node held_by": "the member that is replaced"
    },
    IssuePlan: {"machines": "what is made where", "sources": "whose key is used, or that a new one is made"},
    MachineWork: {"name certificates signs_with service_accounts leaves": _WORK},
    Leaf: {
        "name authority path common_name organizations server client dns addresses asks": "what the certificate says, and "
        "where it lies"
    },
    Member: {"id name url node on_node learner status": _MEMBER},
    MemberStatus: {"version storage_version is_leader has_leader healthy alarms errors db_quota": _MEMBER},
    # --- options
    UpgradeOptions: {
        "backup_age nodes chain approve_chain_at_once waves drain allow_patch_rollback allow_removed_apis allow_downtime "
        "etcd_image_tag keep_kubeadm_backups settle": _CHOICE
    },
    PatchOptions: {
        "scope reboot nodes waves drain repair outside_window allow_cordoned allow_downtime come_back settle": _CHOICE
    },
    RebootOptions: {"drain allow_downtime come_back settle": _CHOICE},
    DrainOptions: {
        "delete_emptydir_data force grace_period limit detach_limit skip_deleting_after allow_pending": _CHOICE
    },
    Waves: {"max_unavailable canary error_budget": _CHOICE},
    RotationOptions: {"only renew_before allow_downtime": _CHOICE},
    CaRotationOptions: {"allow_downtime old_pods_are_fine old_clients_gone token_age validity": _CHOICE},
    Worth: {"reclaimable_mib reclaimable_percent": _CHOICE},
    IssueRequest: {
        "control_planes etcd endpoint version port names service_subnet dns_domain validity authority_validity replace": _CHOICE
    },
    Machine: {"name address": "which machine gets the certificate"},
    # --- the profile
    ClusterProfile: {
        "name nodes": "which machines are touched",
        "ssh": "named field by field",
        "kubeadm kubernetes etcd": "which files, which API and which members are meant",
        "upgrade maintenance gates": "they allow and forbid",
        "certificates": "copies of kubeconfigs are rewritten",
        "store backup": "where the backup of an upgrade goes, and which ones its retention deletes",
    },
    Ssh: {"gateway": "named field by field"},
    Node: {"name address port": "the machine behind a name"},
    Kubeadm: {"folder": "what is rewritten lies there"},
    Kubernetes: {"kubeconfig port": "the API that is asked and changed; a reference, never the secret"},
    UpgradeRules: {"ignore_preflight_errors": "a check that nobody makes any more"},
    MaintenanceRules: {
        "windows node_takes margin_percent alerts protect console": "when nodes may be disturbed, and what is never touched"
    },
    Window: {"days begins ends time_zone max_duration": "when nodes may be disturbed"},
    AlertRules: {"url query": "what stops the run"},
    Console: {"command node": "it is run as root"},
    SiteGate: {"name command on object condition query url at_most at_least": "what stops the run"},
    CertificateRules: {"kubeconfigs": "files that are rewritten"},
    KubeconfigCopy: {"path of nodes": "a file that is rewritten"},
    Etcd: {"endpoints client on_node": "named field by field"},
    EtcdEndpoint: {"url node on_node": "which member it is"},
    EtcdOnNode: {"address port server_name ca certificate key": "which member answers there; paths, never a secret"},
    Store: {
        "bucket prefix region endpoint kms_key storage_class object_lock": "where a backup goes, and how it is kept"
    },
    ObjectLock: {"mode days": "how long nobody can delete a backup"},
    BackupRules: {
        "route retention stale_upload_age time_zone": "what the backup of an upgrade reads and deletes",
        "recipients": "who can read key material",
    },
    Retention: {"last hourly daily weekly monthly yearly within": "which backups are deleted"},
}

LEFT_OUT: dict[type[Model], Reasons] = {
    Plan: {"digest": "it is made of all the others"},
    Line: {"lasting": "it takes the place of the text"},
    Caution: {"next_step": _ADVICE},
    Refusal: {"next_step": _ADVICE},
    Member: {
        "route route_reason": "how it was reached this time; the parameter `route` is covered",
        "unreached": "the words of a network error; that it has no status is covered",
    },
    MemberStatus: {"revision raft_lag db_size db_size_in_use": _FIGURES},
    NodeUpgrade: {
        "evicted": "names of pods change all the time; `evicts` has their controllers, and what is lost",
        "expected": "an estimate",
    },
    PatchPlan: {
        "until": "it moves with the moment of planning; which nodes fit is covered",
        "opens closed": "there is nothing to approve while no window is open",
    },
    NodePatch: {
        "evicted": "names of pods change all the time; `evicts` has their controllers, and what is lost",
        "expected needs": "an estimate",
    },
    RotationPlan: {
        "approve": "a kubelet that waits asks again under another name every quarter of an hour; the step has who asks, and "
        "for which names",
        "unled not_ready": _CAUTION,
    },
    UpgradePlan: {"services_before": _CAUTION},
    NodeRotation: {
        "kubelet_hours": "it follows from the CA's end, by the hour",
        "unproven unled": _CAUTION,
        "configuration": "hours to the CA's end are in it; names that change are in the step",
    },
    MemberOnNode: {"data_bytes free_bytes": _FIGURES},
    Ssh: {"user key known_hosts sudo": _ACCESS},
    SshGateway: {"address port user key": _ACCESS},
    EtcdClientFiles: {"ca certificate key": _ACCESS},
    CertificateRules: {"warn_before warn_before_ca": "when a person is warned; the caution itself is covered"},
    Store: {"ca access_key secret_key": _ACCESS},
    BackupRules: {"rpo": "when a person is told that backups are too old"},
}

PARAMETERS: Reasons = {
    "cluster": "an answer is for one cluster",
    "version options worth request only renew_before route member stage authority": _CHOICE,
    "allow_downtime allow_no_quorum any_cordon allow_unhealthy": _CHOICE,
    "backup lost from_cluster may_differ replace_healthy rollback confirm restore retention drill pki": _CHOICE,
    "node": "what it is done to",
    "reason ticket": "they end in annotations and reports, under the name of who approves",
}
"""Of flows: covered."""

PARAMETERS_LEFT_OUT: Reasons = {
    "mode": "it says that there is a question, not what is asked",
    "approve_within": "how long the answer is waited for",
}
