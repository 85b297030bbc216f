#!/bin/sh
# The first process of the guest. The machine's own file tree is the lower layer of its root, so that whatever is
# written vanishes with the guest; only the result folder is the machine's.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
result=$(sed -n 's/.*steadfast_result=\([^ ]*\).*/\1/p' /proc/cmdline)
modules=/usr/lib/uml/modules/$(uname -r)

insmod "$modules/kernel/fs/overlayfs/overlay.ko"
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root || poweroff -f
cd /mnt/root || poweroff -f
mkdir -p usr/lib/modules mnt/host mnt/result
mount -t tmpfs tmpfs usr/lib/modules
ln -s "$modules" usr/lib/modules/
mount --bind "$result" mnt/result
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mount -t sysfs sysfs sys
umount /proc
mount -t proc proc proc
# Not chroot: the kernel itself looks for modprobe and the modules from here.
pivot_root . mnt/host
cd /
umount -l /mnt/host

ip link set lo up
stty -F /dev/tty1 raw
setsid sh /mnt/result/command </dev/null >/dev/tty1 2>&1
echo $? >/mnt/result/status.new
sync
mv /mnt/result/status.new /mnt/result/status
sync
echo o >/proc/sysrq-trigger
sleep 60
