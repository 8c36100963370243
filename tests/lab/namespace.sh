#!/bin/sh
# Runs inside fresh mount, UTS and network namespaces (unshare of tests/lab/private.py) and keeps them open.
# $1: the lab's directory (etc varlib cache log run), $2: host name, $3: "hide" to leave /dev/kvm out, else "keep".
set -eu
lab=$1
hostname "$2"
ip link set lo up
# sysfs shows the network devices of the namespace that mounted it; libvirt sets bridges up through it. The old one goes
# with the control groups below it: two labs would meet there, and libvirt does well without.
umount -l /sys
mount -t sysfs sysfs /sys
# An empty /run: no D-Bus, so no systemd-machined, firewalld or polkit of the host is asked or told.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/libvirt /run/lock /run/lab-dev
for part in etc:/etc/libvirt varlib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt run:/run/libvirt; do
  mkdir -p "${part#*:}"
  mount --bind "$lab/${part%%:*}" "${part#*:}"
done
# The names of hosts that are linked with this one.
if [ -e "$lab/hosts" ]; then mount --bind "$lab/hosts" /etc/hosts; fi
# A /dev of our own. A /dev/kvm that exists but does not work makes libvirt probe every QEMU again at each start.
mount -t tmpfs -o mode=755,nosuid tmpfs /run/lab-dev
for node in /dev/*; do
  case $node in
    /dev/pts | /dev/shm | /dev/mqueue | /dev/hugepages) continue ;;
    /dev/kvm) [ "$3" = hide ] && continue ;;
  esac
  cp -a "$node" /run/lab-dev/
done
mkdir /run/lab-dev/pts /run/lab-dev/shm
ln -sf pts/ptmx /run/lab-dev/ptmx
# Every sub-mount must leave the old /dev first, or QEMU's own namespace fails to move /dev/pts.
for sub in pts shm mqueue hugepages; do
  while umount -l "/dev/$sub" 2>/dev/null; do :; done
done
mount --move /run/lab-dev /dev
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
: > "$lab/ready"
exec sleep infinity
