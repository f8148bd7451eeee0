#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# First process of the flasher: devices, then busybox init, which keeps a login on the console.
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmp /tmp
dmesg -n 1

while read -r module; do
    insmod "/lib/modules/$module"
done </lib/modules/order

# A card is found a moment after its controller.
tries=0
while [ -n "$(ls /sys/class/mmc_host 2>/dev/null)" ] && [ ! -b /dev/mmcblk0 ] &&
    [ $tries -lt 20 ]; do
    sleep 0.1
    tries=$((tries + 1))
done

hostname -F /etc/hostname
ip link set lo up

# 0: at the speed that the kernel has set. The login goes to the real terminal behind /dev/console, which can do job control and Ctrl-C.
tty=$(sed 's/.* //' /sys/class/tty/console/active)
cat >/etc/inittab <<INITTAB
${tty:-console}::respawn:/sbin/getty -L 0 ${tty:-console} vt100
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
INITTAB
exec /sbin/init
