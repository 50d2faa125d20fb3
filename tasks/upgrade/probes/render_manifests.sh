#!/bin/sh
# Makes kubeadm render its files from the configuration on standard input. Changes nothing but a temporary folder.
# Its environment is that of a systemd unit: kubeadm would turn a shell's proxy variables into variables of the pods.
#
# Given:  PROGRAM         kubeadm
#         RENDER_SECONDS  seconds that each phase may take
#         CONTROL_PLANE   yes: also static pods
#         ADDONS          yes: also the objects of kube-proxy and CoreDNS
#
# Prints:  `manifest NAME TEXT` and `addon NAME TEXT`, in base64; or `problem WORDS`
# Status:  0

# Runs a phase of `kubeadm init` as a dry run. Its output goes to the file `said`.
run_phase() {
  env -i PATH="$PATH" KUBEADM_INIT_DRYRUN_DIR="$work/out" \
    timeout "$RENDER_SECONDS" "$PROGRAM" init phase "$@" --config "$work/config.yaml" > "$work/said" 2> "$work/warned"
}

# Prints the reason from the output of kubeadm, and ends the script.
tell_problem() {
  echo "problem $(cat "$work/said" "$work/warned" | grep -v '^W[0-9]\|--v=5' | tail -n 3 | tr '\n' ' ')"
  exit 0
}

# Makes kubeadm print an addon; that needs no `--dry-run`.
tell_addon() {
  run_phase addon "$1" --print-manifest || tell_problem
  echo "addon $1 $(base64 -w0 < "$work/said")"
}

set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"
cat > "$work/config.yaml"
if [ -n "$CONTROL_PLANE" ]; then
  run_phase control-plane all --dry-run || tell_problem
  run_phase etcd local --dry-run || tell_problem
fi
run_phase kubelet-start --dry-run || tell_problem
if [ -n "$ADDONS" ]; then
  tell_addon kube-proxy
  tell_addon coredns
fi
for file in "$work"/out/*.yaml; do
  [ ! -e "$file" ] || echo "manifest $(basename "$file" .yaml) $(base64 -w0 < "$file")"
done
