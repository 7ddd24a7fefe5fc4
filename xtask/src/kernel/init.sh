#!/bin/sh
# The guest's first process: what a distribution mounts, the tests, and a last line that says how they ended.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/busybox HOME=/ RUST_BACKTRACE=0

end() {
    echo "guest ended: rc=$1"
    reboot -f
}

/bin/busybox mkdir /busybox
/bin/busybox --install -s /busybox
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
for module in /modules/*; do
    insmod "$module" || end "no module $module"
done
uname -a
