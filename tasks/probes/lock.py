"""A lock on a node: a file with the holder's run id, which its holder renews; by the node's own clock."""

PLACE = "/var/lib/kube-runbooks/lock"

STALE_SECONDS = 30
"""After which a lock that nobody renewed is taken over."""


def take_lock(run_id: str) -> str:
    """Takes a lock that is free, stale or its own; prints who has it then."""
    return f"""set -eu
mkdir -p "$(dirname {PLACE})"
exec 9> {PLACE}.mutex; flock 9
holder=$(cat {PLACE} 2>/dev/null || true)
if [ -n "$holder" ] && [ "$holder" != {run_id} ]; then
  [ $(($(date +%s) - $(stat -c %Y {PLACE}))) -ge {STALE_SECONDS} ] || {{ echo "$holder"; exit; }}
fi
echo {run_id} | tee {PLACE}
"""


def renew_lock(run_id: str) -> str:
    """Renews a lock that nobody else has taken meanwhile; prints who has it."""
    return f"""set -eu
exec 9> {PLACE}.mutex; flock 9
holder=$(cat {PLACE} 2>/dev/null || echo {run_id})
[ "$holder" != {run_id} ] || echo {run_id} > {PLACE}
echo "$holder"
"""


def return_lock(run_id: str) -> str:
    """Gives up a lock of its own."""
    return f'[ "$(cat {PLACE} 2>/dev/null)" != {run_id} ] || rm -f {PLACE}\n'
