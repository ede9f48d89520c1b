#!/bin/sh
# The first process of new namespaces becomes a systemd of its own: over a copy of this machine's files that is gone
# afterwards, with a copy of the package and the interpreter under /opt/kagami, where units may look. Nothing outside changes.
#   systemd.sh FOLDER CHECKOUT PYTHON_PREFIX SITE_PACKAGES
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p old opt/kagami/bin opt/kagami/checkout/pcaps opt/kagami/python opt/kagami/packages
cp -r "$2/sensor" "$2/analyzers" "$2/systemd" opt/kagami/checkout
cp -r "$2/pcaps/demo" opt/kagami/checkout/pcaps
chmod -R a+rX opt/kagami/checkout # a checkout may be its owner's alone
mount --bind "$3" opt/kagami/python
mount --bind "$4" opt/kagami/packages
cat > opt/kagami/bin/kagami <<'PROGRAM'
#!/bin/sh
export PYTHONPATH=/opt/kagami/checkout:/opt/kagami/packages
exec /opt/kagami/python/bin/python3 -c 'from sensor.cli.main import main; main()' "$@"
PROGRAM
chmod 755 opt/kagami/bin/kagami
# what would touch the kernel or the devices of this machine, or wait for devices that nobody announces here
for unit in systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service systemd-remount-fs.service \
    systemd-udevd.service systemd-udev-trigger.service systemd-update-utmp.service dev-hugepages.mount dev-mqueue.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
    kagami-offload@.service; do
    ln -sf /dev/null "etc/systemd/system/$unit"
done
pivot_root . old
umount -l old
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=other \
    /lib/systemd/systemd --system --log-target=journal --show-status=no --unit=basic.target
