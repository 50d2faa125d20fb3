#!/bin/sh
# machine.sh BASE FOLDER NAME BRIDGE CONTROL-GROUP...: one machine's life, a generation after the other, in the lab's
# namespaces. `reboot` inside ends systemd-nspawn with 133. The mount of its root is in a namespace of its own.
set -u
base=$1 folder=$2 name=$3 bridge=$4
shift 4
for group; do echo $$ > "$group/cgroup.procs" || exit; done
mount -t overlay overlay -o "lowerdir=$base,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" || exit
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes
while :; do
  systemd-nspawn --boot --register=no --keep-unit --directory="$folder/root" --machine="$name" \
    --network-bridge="$bridge" --capability=all --system-call-filter=@known --resolv-conf=off --timezone=off \
    --bind="$folder/containerd:/var/lib/containerd" --bind="$folder/kubelet:/var/lib/kubelet" \
    --bind="$folder/etcd:/var/lib/etcd" --bind=/dev/kmsg --setenv="KUBE_RUNBOOKS_MACHINE=$KUBE_RUNBOOKS_MACHINE"
  [ $? -eq 133 ] || exit
done
