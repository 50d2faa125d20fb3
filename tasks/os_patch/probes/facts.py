"""What a patch asks of a machine, and what it has it do: each script looks at what is there first, so that it can be run again.

Packages are looked for in lists of our own, beside the system's: neither a plan nor a patch changes what other tools see.
The same preferences, for our calls only, keep protected packages as they are and say what a security update is. A plan is
apt's own simulation of the very command that installs; right before it does, the simulation is compared with the plan.
"""

import base64
import binascii
import re
import shlex
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from tasks.core.models.folders import PATCHES
from tasks.core.probes.printed import Printed
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models import PROTECTED, Change, PatchFacts, PatchIntent, Scope, Updates
from tasks.os_patch.probes import boot_menu
from tasks.os_patch.probes.packages import Preview, delta_of, parse_apt, parse_dnf, parse_zypper, without

"""On the node: the package lists that a plan was made from, the preferences, and what a run under way wants."""

REFRESH_SECONDS = 120
"""For all package lists of a node."""

LOCK_SECONDS = 600
"""That another package manager may take."""

REBOOT_UNIT = "kube-runbooks-reboot"

_HEAD = f"""set -u
d={PATCHES}; boot=$(cat /proc/sys/kernel/random/boot_id)
mkdir -p "$d"
listed() {{ # all packages, `name version`, sorted
  if command -v dpkg-query > /dev/null; then
    native=$(dpkg --print-architecture)
    dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}} ${{Architecture}} ${{Version}}\\n' | awk -v native="$native" \\
      'substr($1, 2, 1) !~ /[nc]/ {{ print ($3 == native || $3 == "all" ? $2 : $2 ":" $3) " " $4 }}' | sort
  else
    rpm -qa --qf '%{{NAME}}.%{{ARCH}} %|EPOCH?{{%{{EPOCH}}:}}:{{}}|%{{VERSION}}-%{{RELEASE}}\\n' | grep -v '^gpg-pubkey' | sort
  fi
}}
inhibitors() {{ systemd-inhibit --list --no-legend --no-pager --mode=block 2> /dev/null | grep -w shutdown | grep 'block *$' | tr -s ' '; }}
"""

_STATE = """encoded() { base64 -w0; }
echo "boot $boot"
echo "kernel $(uname -r)"
ls /boot/vmlinuz-* 2> /dev/null | grep -v rescue | sed 's|/boot/vmlinuz-|newest_kernel |' | sort -V
for file in /boot/vmlinuz-*; do [ ! -e "$file" ] || echo "kernel_since ${file#/boot/vmlinuz-} $(stat -c %Z "$file")"; done
echo "booted $(sed -n 's/^btime //p' /proc/stat)"
BOOT_MENUif [ -e /run/reboot-required ] || [ -e /run/reboot-needed ]; then echo "reboot_required yes"; fi
sort -u /run/reboot-required.pkgs 2> /dev/null | sed 's/^/reboot_package /'
if command -v needrestart > /dev/null; then needrestart -b -k 2> /dev/null | sed -n 's/^NEEDRESTART-KSTA: /kernel_state /p'; fi
if command -v dnf > /dev/null && { needs-restarting -r || dnf -q needs-restarting -r || dnf -q needs-restarting; } 2> /dev/null \\
  | grep -q 'Reboot is required'; then echo "reboot_required yes"; fi
echo "state $(systemctl is-system-running 2> /dev/null)"
systemctl list-units --state=failed --no-legend --plain --no-pager 2> /dev/null | while read -r unit rest; do echo "failed $unit"; done
echo "synced $(timedatectl show --property=NTPSynchronized --value 2> /dev/null)"
inhibitors | sed 's/^/inhibitor /'
if command -v dpkg-query > /dev/null; then
  dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' PROTECTED 2> /dev/null | while read -r name version state; do
    case "$state" in ?i*) echo "protected $name $version" ;; esac
  done
  dpkg-query -W -f '${db:Status-Abbrev}|${Package}\\n' | sed -n 's/^.[UHFWt].*|/broken /p; s/^..R.*|/broken /p' | sort -u
  if ls /var/lib/dpkg/updates | grep -q '^[0-9]'; then echo "broken dpkg itself: it was interrupted"; fi
  if command -v lslocks > /dev/null; then
    lslocks --noheadings --output COMMAND,PID,PATH 2> /dev/null | grep -e /var/lib/dpkg/lock | head -n 1 | awk '{ print "locked " $1 " (process " $2 ")" }'
  fi
else
  rpm -q --qf 'protected %{NAME} %{VERSION}-%{RELEASE}\\n' PROTECTED 2> /dev/null | grep '^protected'
fi
if [ -e "$d/before" ]; then
  listed > "$d/now"
  comm -23 "$d/before" "$d/now" | sed 's/^/was /'; comm -13 "$d/before" "$d/now" | sed 's/^/is /'
fi
[ ! -e "$d/intent" ] || echo "intent $(encoded < "$d/intent")"
[ ! -e "$d/patched" ] || echo "patched $(cat "$d/patched")"
[ ! -e "$d/last" ] || echo "last $(cat "$d/last")"
"""

_APT = """mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
pin() { printf '\\nPackage: %s\\nPin: release %s\\nPin-Priority: %s\\n' "$1" "$2" "$3"; }
{ # what is installed stays as it is where nothing better is allowed
  cat /etc/apt/preferences 2> /dev/null || true
  pin 'PROTECTED' a=now 100; pin 'PROTECTED' '*' -1
  if [ "$scope" = security ]; then pin '*' a=now 100; pin '*' 'a=*-security' 500; pin '*' 'l=*-Security' 500; pin '*' '*' 50; fi
} > "$d/preferences"
private() {
  DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1 NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l \\
    apt-get -y -q -o Dir::State::Lists="$d/lists" -o Dir::Cache="$d/cache" -o Dir::Etc::Preferences="$d/preferences" \\
    -o APT::Sandbox::User=root -o Acquire::Retries=2 -o DPkg::Lock::Timeout=SECONDS -o Dpkg::Use-Pty=0 \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
upgrade() { private --no-remove --with-new-pkgs "$@" upgrade; }
"""

_LOOK_AT_APT = """echo "manager apt"
for name in $(apt-mark showhold 2> /dev/null); do echo "held $name"; done
if [ "$refresh" = yes ]; then
  said=$(timeout REFRESH apt-get -q -o Dir::State::Lists="$d/lists" -o Dir::Cache="$d/cache" -o APT::Sandbox::User=root \\
    -o Acquire::Retries=1 -o APT::Update::Error-Mode=any update 2>&1) || said="$said
E: apt-get update ended with status $?"
  if echo "$said" | grep -q '^E:\\|^W: Failed\\|^W: Some index'; then
    echo "problem $(echo "$said" | grep '^[EW]:' | tail -n 3 | tr '\\n' ' ')"
  fi
fi
if said=$(upgrade --simulate 2>&1); then echo "preview $(echo "$said" | encoded)"
else echo "problem $(echo "$said" | grep '^E:' | tail -n 2 | tr '\\n' ' ')"; fi
"""

_LOOK_AT_DNF = """echo "manager dnf"
for name in $(dnf -q versionlock list 2> /dev/null | sed -n 's/^\\([a-zA-Z0-9_.+-]*\\)-[0-9]*:\\{0,1\\}[^-]*-[^-]*$/\\1/p'); do echo "held $name"; done
[ "$refresh" != yes ] || timeout REFRESH dnf -q makecache > /dev/null 2>&1 || echo "problem dnf makecache failed"
listed | sed 's/^/has /'
echo "preview $(dnf --assumeno --cacheonly DNF_WHAT 2>&1 | encoded)"
"""

_LOOK_AT_ZYPPER = """echo "manager zypper"
zypper --non-interactive --no-refresh locks 2> /dev/null | awk -F '|' 'NR > 2 && $2 != "" { gsub(/ /, "", $2); print "held " $2 }'
[ "$refresh" != yes ] || timeout REFRESH zypper --non-interactive refresh > /dev/null 2>&1 || echo "problem zypper refresh failed"
echo "preview $(zypper --xmlout --non-interactive --no-refresh ZYPPER_WHAT --dry-run 2>&1 | encoded)"
zypper --non-interactive --no-refresh needs-rebooting > /dev/null 2>&1; [ $? != 102 ] || echo "reboot_required yes"
"""


def look(scope: Scope, protect: Sequence[str] = (), *, refresh: bool) -> str:
    """The command: all that a plan has to know. With `refresh` our own package lists are brought up to date first."""
    if scope is Scope.NONE:
        return glance(protect)
    return f"""{_HEAD}scope={scope} refresh={"yes" if refresh else "no"}
{_filled(_STATE, scope, protect)}
if command -v apt-get > /dev/null; then
{_filled(_APT + _LOOK_AT_APT, scope, protect)}
elif command -v dnf > /dev/null; then
{_filled(_LOOK_AT_DNF, scope, protect)}
elif command -v zypper > /dev/null; then
{_filled(_LOOK_AT_ZYPPER, scope, protect)}
fi
true
"""


def glance(protect: Sequence[str] = ()) -> str:
    """The part of it that a proof looks at: no package manager is asked what it would do."""
    return f"{_HEAD}{_filled(_STATE, Scope.ALL, protect)}\ntrue\n"


def _filled(script: str, scope: Scope, protect: Sequence[str]) -> str:
    names = [*PROTECTED, *protect]
    what = (
        f"{' '.join(f'--exclude={name}' for name in names)} upgrade{' --security' if scope is Scope.SECURITY else ''}"
    )
    zypper = "patch --category security" if scope is Scope.SECURITY else "update"
    return (
        script.replace("BOOT_MENU", boot_menu.ASK)
        .replace("PROTECTED", " ".join(names))
        .replace("DNF_WHAT", what)
        .replace("ZYPPER_WHAT", zypper)
        .replace("REFRESH", str(REFRESH_SECONDS))
        .replace("SECONDS", str(LOCK_SECONDS))
    )


def parse(node: str, stdout: bytes, scope: Scope, protect: Sequence[str] = ()) -> PatchFacts:
    """What `look` or `glance` printed."""
    told = Printed.of(stdout)
    manager = PackageManager(told.one("manager"))
    preview = _preview(manager, told, scope, protect)
    newest = _newest_of_its_kind(told.all("newest_kernel"), told.one("kernel"))
    state = told.one("kernel_state")
    synced = told.one("synced")
    return PatchFacts(
        name=node,
        updates=Updates(
            manager=manager,
            changes=preview.changes,
            removals=preview.removals,
            kept_back=preview.kept_back,
            held=told.all("held"),
            broken=told.all("broken"),
            locked_by=told.one("locked"),
            problem=told.one("problem"),
            protected=dict(told.pairs("protected")),
        ),
        boot_id=told.one("boot"),
        kernel=told.one("kernel"),
        newest_kernel=newest,
        default_kernel=_default_kernel(told),
        newest_was_there=_is_older(dict(told.pairs("kernel_since")).get(newest, ""), told.one("booted")),
        kernel_state=int(state) if state.isdigit() else None,
        reboot_required=told.one("reboot_required") == "yes",
        reboot_packages=told.all("reboot_package"),
        system_state=told.one("state"),
        failed_units=told.all("failed"),
        clock_synced=synced == "yes" if synced in {"yes", "no"} else None,
        inhibitors=told.all("inhibitor"),
        delta=delta_of(told.pairs("was"), told.pairs("is")),
        intent=_intent(told.one("intent")),
        patched_boot=told.one("patched"),
        last_run=told.one("last"),
    )


def _newest_of_its_kind(kernels: Sequence[str], running: str) -> str:
    """Of the flavour that runs (amd64, cloud-amd64, ...) if there is one; the list is in the order of versions."""

    def words(kernel: str) -> list[str]:
        return re.findall("[a-z]+", kernel)

    alike = [kernel for kernel in kernels if words(kernel) == words(running)]
    return next(reversed(alike or kernels), "")


def _default_kernel(told: Printed) -> str:
    if not told.one("boot_menu"):
        return told.one("default_kernel")
    return boot_menu.default_kernel(
        _decoded(told.one("boot_menu")),
        chosen_once=told.one("boot_next_entry"),
        saved=told.one("boot_saved_entry"),
        installed=told.all("newest_kernel"),
    )


def _is_older(since: str, booted: str) -> bool:
    """Than the boot; what is not known is not."""
    return since.isdecimal() and booted.isdecimal() and int(since) < int(booted)


def _preview(manager: PackageManager, told: Printed, scope: Scope, protect: Iterable[str]) -> Preview:
    text, security = _decoded(told.one("preview")), scope is Scope.SECURITY
    match manager:
        case PackageManager.APT:
            found = parse_apt(text)
        case PackageManager.DNF:
            found = parse_dnf(text, dict(told.pairs("has")), security=security)
        case PackageManager.ZYPPER:
            found = parse_zypper(text, security=security)
        case PackageManager.NONE:
            return Preview()
    return without(found, (*PROTECTED, *protect))


def _intent(text: str) -> PatchIntent | None:
    """None when it cannot be read: then nobody knows what a run wanted, and the node is looked at anew."""
    try:
        return PatchIntent.model_validate_json(_decoded(text)) if text else None
    except ValidationError:
        return None


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode(errors="replace")
    except binascii.Error:
        return ""


# --- acts


def begin(*, fresh: bool, due: bool = True) -> str:
    """Writes down what a run wants (JSON, by standard input), before it touches anything; `fresh` also what is installed.

    Where packages are `due`, a boot with which they were all there is no news any more.
    """
    keep = 'listed > "$d/before.new"; sync "$d/before.new"; mv "$d/before.new" "$d/before"' if fresh else ":"
    return f"""{_HEAD}set -e; umask 077
{keep}
cat > "$d/intent.new"
{'rm -f "$d/patched"' if due else ":"}
sync "$d/intent.new"; mv "$d/intent.new" "$d/intent"; sync "$d"
"""


def end(run_id: str) -> str:
    """The run has come to its end here: what it wanted is no news any more."""
    return f"""{_HEAD}set -e
echo {shlex.quote(run_id)} > "$d/last.new"; mv "$d/last.new" "$d/last"
rm -f "$d/intent" "$d/patched" "$d/before" "$d/now"
"""


_APT_PLANNED = r"""cat > "$d/planned" <<'KUBE_RUNBOOKS'
LINES
KUBE_RUNBOOKS
compare() { # what would be done now has to be in the plan
  upgrade --simulate > "$d/simulated" || { cat "$d/simulated"; exit 1; }
  sed -n 's/^Inst \([^ ]*\) \(\[[^]]*\] \)\{0,1\}(\([^ ]*\) .*/\1 \3/p' "$d/simulated" | sort > "$d/due"
  more=$(comm -23 "$d/due" "$d/planned"; grep '^Remv' "$d/simulated" || true)
  [ -z "$more" ] || { echo "not in the plan: $more"; exit 1; }
}
do_all() {
  { status=0; upgrade "$@" 2>&1 || status=$?; echo $status > "$d/status"; } | tee "$d/output"
  [ "$(cat "$d/status")" = 0 ] || { ! grep -q 'Could not get lock' "$d/output" || exit 75; return 1; }
}
compare
"""

_CONFIGURE = "DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 dpkg --force-confdef --force-confold --configure -a"
"""Ends what dpkg was cut off in. A package that was being unpacked has to be unpacked again, which it leaves to apt."""

_MARK = """
echo "$boot" > "$d/patched.new"; sync "$d/patched.new"; mv "$d/patched.new" "$d/patched"; sync "$d"
"""


def fetch(manager: PackageManager, scope: Scope, protect: Sequence[str], changes: Sequence[Change]) -> str:
    """The job that downloads what is planned, and changes nothing that is installed. Nothing for others than apt."""
    if manager is not PackageManager.APT:
        return "true\n"
    return f"{_apt(scope, protect, changes)}do_all --download-only || exit 75\n"


def install(
    manager: PackageManager, scope: Scope, protect: Sequence[str], changes: Sequence[Change], *, repair: bool
) -> str:
    """The job that installs what is planned and nothing else, and writes down with which boot it did."""
    match manager:
        case PackageManager.APT:
            mend = f"{_CONFIGURE} || echo 'not all of them could be configured: what is left is installed anew'"
            return (
                f"{_apt(scope, protect, changes, before=mend if repair else ':')}do_all || exit 1\n"
                f"private clean || true{_MARK}"
            )
        case PackageManager.DNF:
            act = _filled("dnf -y DNF_WHAT", scope, protect)
        case PackageManager.ZYPPER:
            names = shlex.join(f"{one.package}={one.after}" for one in changes)
            words = f"ZYPP_LOCK_TIMEOUT={LOCK_SECONDS} zypper --non-interactive --no-refresh install --no-recommends {names}"
            act = f"status=0; {words} || status=$?; case $status in 0|102|103) ;; *) exit $status ;; esac"
        case PackageManager.NONE:
            act = "echo 'there is no package manager'; exit 1"
    return f"{_HEAD}set -e; umask 022\n{act}{_MARK}"


def _apt(scope: Scope, protect: Sequence[str], changes: Sequence[Change], *, before: str = ":") -> str:
    lines = "\n".join(sorted(f"{one.package} {one.after}" for one in changes))
    return f"{_HEAD}set -e; umask 022; scope={scope}\n{_filled(_APT, scope, protect)}{before}\n{_APT_PLANNED.replace('LINES', lines)}"


def reboot_once(boot: str) -> str:
    """Prints `boot ID` of now. With this very boot an orderly reboot is asked for, unless it is under way; never with another.

    Prints `asked`, `under way`, or `blocked WHO` where somebody has inhibited a shutdown.
    """
    return f"""{_HEAD}echo "boot $boot"
[ "$boot" = {shlex.quote(boot)} ] || exit 0
[ "$(systemctl is-system-running 2> /dev/null)" != stopping ] || {{ echo "under way"; exit 0; }}
if systemctl is-active --quiet {REBOOT_UNIT}.timer {REBOOT_UNIT}.service; then echo "under way"; exit 0; fi
who=$(inhibitors | head -n 1); [ -z "$who" ] || {{ echo "blocked $who"; exit 0; }}
sync
systemd-run --quiet --collect --unit={REBOOT_UNIT} --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot
echo asked
"""


def parse_reboot(stdout: bytes) -> tuple[str, str]:
    """Of `reboot_once`: the boot id of now, and what was said of the reboot."""
    told = Printed.of(stdout)
    blocked = told.one("blocked")
    return told.one("boot"), f"a shutdown is blocked by {blocked}" if blocked else ""


def evidence(unit_lines: int = 100) -> str:
    """What a machine has to say after a patch that failed."""
    return f"""set +e
echo "== boot $(cat /proc/sys/kernel/random/boot_id), kernel $(uname -r), $(uptime)"
echo "== systemd"; systemctl is-system-running; systemctl list-units --state=failed --no-pager --plain
for unit in $(systemctl list-units --state=failed --no-legend --plain | awk '{{ print $1 }}'); do
  echo "== $unit"; journalctl -u "$unit" -n 40 --no-pager -o short-iso
done
echo "== packages"; dpkg --audit 2> /dev/null; tail -n 60 /var/log/dpkg.log 2> /dev/null; tail -n 60 {PATCHES}/output 2> /dev/null
echo "== kubelet"; journalctl -u kubelet -n {unit_lines} --no-pager -o short-iso
echo "== boots"; journalctl --list-boots --no-pager 2> /dev/null | tail -n 5
true
"""
