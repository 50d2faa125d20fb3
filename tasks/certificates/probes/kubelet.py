"""A kubelet's own certificate, signed anew by the cluster's authority on a control plane node."""

import shlex
from pathlib import PurePosixPath

from tasks.core.models.kubeadm import KUBELET_PKI
from tasks.core.shell import quoted

LIKE = r"""
like() { # NEW OLD: the same owner and mode, and in its place
  chown --reference="$2" "$1"; chmod --reference="$2" "$1"
  mv -fT "$1" "$2"
  ! command -v restorecon > /dev/null || restorecon -F "$2"
}
believe() { # KUBECONFIG AUTHORITIES_FILE NEW: the same one, which believes these authorities, in a new file
  awk -v all="$(base64 -w0 < "$2")" '$1 == "certificate-authority-data:" { $0 = substr($0, 1, index($0, ":")) " " all } { print }' "$1" > "$3"
}
"""


def ask_for_kubelet(name: str) -> str:
    """Prints a request for the client certificate of this node's kubelet, by the key that it has."""
    subject = shlex.quote(f"/O=system:nodes/CN=system:node:{name}")
    return f"openssl req -new -sha256 -key {KUBELET_PKI}/kubelet-client-current.pem -subj {subject}\n"


def sign_for_kubelet(folder: PurePosixPath, name: str, hours: int) -> str:
    """On a control plane node; its standard input: the request, which has to be for that very node. Prints the certificate."""
    pki = quoted(folder / "pki")
    return f"""set -eu; umask 077
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cat > "$work/request"
subject=$(openssl req -in "$work/request" -verify -noout -subject -nameopt RFC2253 2> /dev/null)
[ "$subject" = {shlex.quote(f"subject=CN=system:node:{name},O=system:nodes")} ] || {{ echo "not asked for by {name}: $subject" >&2; exit 1; }}
cat > "$work/extensions" <<'EXTENSIONS'
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth
basicConstraints = critical, CA:FALSE
EXTENSIONS
now=$(date +%s)
date_of() {{ date -u -d "@$1" +%y%m%d%H%M%SZ; }}
mkdir "$work/ca"; : > "$work/ca/index"
printf '[ca]\\ndefault_ca=it\\n[it]\\ndatabase=%s/ca/index\\nnew_certs_dir=%s/ca\\ndefault_md=sha256\\npolicy=any\\nrand_serial=yes\\nunique_subject=no\\n[any]\\norganizationName=supplied\\ncommonName=supplied\\n' "$work" "$work" > "$work/ca/config"
openssl ca -batch -notext -config "$work/ca/config" -in "$work/request" -cert {pki}/ca.crt -keyfile {pki}/ca.key -preserveDN \\
  -startdate "$(date_of $((now - 300)))" -enddate "$(date_of $((now + {hours * 3600})))" -extfile "$work/extensions" -out "$work/certificate" 2> "$work/said" || {{ tail -n 2 "$work/said" >&2; exit 1; }}
cat "$work/certificate"
"""


def install_for_kubelet() -> str:
    """Its standard input: the certificate. The kubelet's own way: a new file beside the old one, and a link; then a new start."""
    current = f"{KUBELET_PKI}/kubelet-client-current.pem"
    return f"""set -eu; umask 077
new={KUBELET_PKI}/kubelet-client-$(date -u +%Y-%m-%d-%H-%M-%S).pem
cat > "$new.new"
[ "$(openssl x509 -noout -pubkey -in "$new.new")" = "$(openssl pkey -pubout -in {current})" ] || {{ rm -f "$new.new"; echo "it is not for the key of this node" >&2; exit 1; }}
sed -n '/-----BEGIN.*PRIVATE KEY-----/,/-----END.*PRIVATE KEY-----/p' {current} >> "$new.new"
mv -f "$new.new" "$new"
ln -s "$new" {current}.new; mv -fT {current}.new {current}
sync
systemctl reset-failed kubelet 2> /dev/null || true
systemctl restart kubelet
"""
