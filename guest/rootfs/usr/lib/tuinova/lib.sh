# Shared by the boot scripts.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN=/run/tuinova

# Copies standard input to every console: /dev/console alone is only the last one of the kernel's command line.
to_consoles() {
    set --
    for tty in $(cat /sys/class/tty/console/active); do set -- "$@" "/dev/$tty"; done
    exec tee "$@" >/dev/null
}
say() { echo "tuinova: $*" | (to_consoles); }

# Lists the block devices beside the root disk and its partitions.
other_disks() {
    root=$(awk '$2 == "/" { device = $1 } END { sub("/dev/", "", device); print device }' /proc/mounts)
    case "$root" in [sv]da1) root=${root%1} ;; esac
    for path in /sys/class/block/*; do
        case "${path##*/}" in "$root" | "$root"[0-9]* | loop* | ram* | fd* | '*') ;; *) echo "${path##*/}" ;; esac
    done
}

# True if the kernel's command line has that word.
cmdline_has() { case " $(cat /proc/cmdline) " in *" $1 "*) return 0 ;; esac; return 1; }
