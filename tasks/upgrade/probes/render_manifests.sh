#!/bin/sh
# Has kubeadm write the manifests of the configuration on standard input. Changes nothing but a temporary folder.
# Its environment is that of a unit of systemd: of a shell's proxies kubeadm would make variables of the pods.
#
# Given:  RENDER_SECONDS  that each phase may take
#
# Prints:  `manifest NAME TEXT`, in base64; or `problem WORDS`
# Status:  0

# Has kubeadm do a phase of `kubeadm init`, dry.
run_phase() {
  env -i PATH="$PATH" KUBEADM_INIT_DRYRUN_DIR="$work/out" \
    timeout "$RENDER_SECONDS" kubeadm init phase "$@" --config "$work/config.yaml" --dry-run 2>&1
}

# Prints why, of what kubeadm has said.
tell_problem() {
  echo "problem $(echo "$1" | grep -v '^W[0-9]\|--v=5' | tail -n 3 | tr '\n' ' ')"
}

set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"
cat > "$work/config.yaml"
if ! said=$(run_phase control-plane all) || ! said=$(run_phase etcd local); then
  tell_problem "$said"
  exit 0
fi
for file in "$work"/out/*.yaml; do
  [ ! -e "$file" ] || echo "manifest $(basename "$file" .yaml) $(base64 -w0 < "$file")"
done
