"""The options of the drivers, consoles, the database, and tuinova's own."""

from __future__ import annotations

from typing import Final

from tuinova.core.config.option import Option

_L, _V, _T, _C = "libvirt", "vnc", "tuinova", "serial_console"

OPTIONS: Final = (
    Option(
        _L,
        "virt_type",
        "str",
        "auto",
        "Domain type; auto: kvm where it works, else qemu.",
        nova_default="kvm",
        choices=("auto", "kvm", "qemu"),
    ),
    Option(_L, "connection_uri", "str", "", "The hypervisor; empty: qemu:///system, else qemu:///session."),
    Option(_L, "connection_uris", "list", (), "Several hypervisors, a compute host each.", ours=True),
    Option(
        _L,
        "cpu_mode",
        "str",
        None,
        "CPU of guests; unset: host-model.",
        choices=("host-model", "host-passthrough", "custom", "none"),
    ),
    Option(_L, "cpu_models", "list", (), "CPU models for cpu_mode custom, the best first."),
    Option(_L, "hw_machine_type", "list", (), "Machine types, arch=type."),
    Option(
        _L,
        "images_type",
        "str",
        "default",
        "Kind of disks; default: qcow2 where use_cow_images is true.",
        choices=("default", "qcow2", "raw", "flat"),
    ),
    Option(_L, "disk_cachemodes", "list", (), "Cache modes, file=writethrough."),
    Option(_L, "wait_soft_reboot_seconds", "int", 120, "Seconds a soft reboot waits before it is hard.", minimum=0),
    Option(_L, "mem_stats_period_seconds", "int", 10, "Period of the balloon's statistics; 0: no balloon."),
    Option(_L, "rng_dev_path", "str", "/dev/urandom", "What feeds the guests' random number device."),
    Option(_L, "use_virtio_for_bridges", "bool", True, "Virtio network cards."),
    Option(_L, "snapshots_directory", "str", "$instances_path/snapshots", "Where snapshots are made."),
    Option(
        _L,
        "snapshot_image_format",
        "str",
        None,
        "Format of snapshots; unset: that of the disk.",
        choices=("qcow2", "raw"),
    ),
    Option(_L, "live_migration_uri", "str", None, "How the source's libvirtd reaches the destination's; %s: its name."),
    Option(_L, "live_migration_scheme", "str", None, "Transport of that URI where it is unset: tcp, tls, ssh."),
    Option(
        _L, "live_migration_inbound_addr", "str", None, "Name or address that guests come to; unset: libvirt's name."
    ),
    Option(_L, "live_migration_bandwidth", "int", 0, "MiB a second of a live migration; 0: no limit.", minimum=0),
    Option(_L, "live_migration_downtime", "int", 500, "Milliseconds a guest may stand still at its end.", minimum=100),
    Option(_L, "live_migration_downtime_steps", "int", 10, "Steps in which that is allowed.", minimum=3),
    Option(_L, "live_migration_downtime_delay", "int", 75, "Seconds between two steps, for each GiB.", minimum=3),
    Option(
        _L,
        "live_migration_completion_timeout",
        "int",
        800,
        "Seconds for each GiB until it is given up; 0: never.",
        minimum=0,
    ),
    Option(
        _L,
        "live_migration_timeout_action",
        "str",
        "abort",
        "What is done then.",
        choices=("abort", "force_complete"),
    ),
    Option(_L, "live_migration_permit_post_copy", "bool", False, "Hurry a move by post-copy, not by a pause."),
    Option(_L, "live_migration_permit_auto_converge", "bool", False, "Slow guests down that write too fast to move."),
    Option(_L, "network", "str", "default", "libvirt's network that guests join.", ours=True),
    Option(_L, "create_network", "bool", True, "Define and start it where it is missing.", ours=True),
    Option(_V, "enabled", "bool", True, "VNC graphics for guests."),
    Option(_V, "server_listen", "str", "127.0.0.1", "Address that VNC servers listen on."),
    Option(_C, "enabled", "bool", True, "Serial consoles by WebSocket.", nova_default=False),
    Option("database", "connection", "str", None, "SQLAlchemy's URL; unset: SQLite in the state directory."),
    Option(
        _T,
        "driver",
        "str",
        "auto",
        "auto: libvirt where it answers; fake: guests that only pretend.",
        ours=True,
        choices=("auto", "libvirt", "fake"),
    ),
    Option(_T, "fake_hosts", "int", 1, "Number of fake compute hosts.", ours=True, minimum=1, maximum=100_000),
    Option(_T, "fake_vcpus", "int", 1000, "vCPUs of a fake host.", ours=True, minimum=1),
    Option(_T, "fake_memory_mb", "int", 800_000, "MiB of RAM of a fake host.", ours=True, minimum=1),
    Option(_T, "fake_disk_gb", "int", 600_000, "GiB of disk of a fake host.", ours=True, minimum=1),
    Option(_T, "fake_boot_seconds", "float", 1.0, "How long a fake guest boots.", ours=True, minimum=0),
    Option(_T, "listen", "str", None, "TCP address host:port beside the Unix socket; unset: none.", ours=True),
    Option(
        _T,
        "idle_exit_seconds",
        "int",
        300,
        "A service started on demand leaves after that long without work; 0: never.",
        ours=True,
        minimum=0,
    ),
    Option(_T, "keep_changes", "int", 20_000, "Entries of the change feed that are kept.", ours=True, minimum=100),
    Option(_T, "workers", "int", 8, "Work orders that a host carries out at once.", ours=True, minimum=1, maximum=64),
)
