"""The options of the compute service, the API and what both share (nova/conf/compute.py, service.py, api.py ...)."""

from __future__ import annotations

from typing import Final

from tuinova.core.config.option import Option

_D = "DEFAULT"

OPTIONS: Final = (
    Option(_D, "debug", "bool", False, "Log at level debug."),
    Option(_D, "host", "str", None, "Name of the compute host; this machine's host name when unset."),
    Option(_D, "my_ip", "str", None, "Address of this host that others see; found by asking the system when unset."),
    Option(
        _D,
        "instances_path",
        "str",
        None,
        "Directory of the servers' disks; `instances` in the state directory when unset.",
    ),
    # builds and placement
    Option(_D, "cpu_allocation_ratio", "float", None, "Virtual to physical CPUs; unset: the initial one.", minimum=0),
    Option(_D, "ram_allocation_ratio", "float", None, "Virtual to physical RAM; unset: the initial one.", minimum=0),
    Option(_D, "disk_allocation_ratio", "float", None, "Virtual to physical disk; unset: the initial one.", minimum=0),
    Option(_D, "initial_cpu_allocation_ratio", "float", 4.0, "CPU ratio where none is set.", minimum=0),
    Option(_D, "initial_ram_allocation_ratio", "float", 1.0, "RAM ratio where none is set.", minimum=0),
    Option(_D, "initial_disk_allocation_ratio", "float", 1.0, "Disk ratio where none is set.", minimum=0),
    Option(_D, "reserved_host_cpus", "int", 0, "CPUs kept for the host.", minimum=0),
    Option(_D, "reserved_host_memory_mb", "int", 512, "MiB of RAM kept for the host.", minimum=0),
    Option(_D, "reserved_host_disk_mb", "int", 0, "MiB of disk kept for the host.", minimum=0),
    Option(_D, "max_concurrent_builds", "int", 10, "Builds at once on a host; 0: no limit.", minimum=0),
    Option(_D, "instance_build_timeout", "int", 0, "Seconds after which a build is ERROR; 0: never.", minimum=0),
    Option(_D, "enable_new_services", "bool", True, "Whether a new compute service starts enabled."),
    # disks and config drive
    Option(_D, "use_cow_images", "bool", True, "qcow2 overlays on a shared base; false: full raw copies."),
    Option(_D, "force_raw_images", "bool", True, "Convert the cached base to raw."),
    Option(_D, "default_ephemeral_format", "str", None, "File system of ephemeral disks; ext4 when unset."),
    Option(_D, "force_config_drive", "bool", False, "Every new server gets a config drive."),
    Option(
        _D,
        "config_drive_format",
        "str",
        "iso9660",
        "Format of the config drive.",
        choices=("iso9660", "vfat"),
    ),
    Option(_D, "pointer_model", "str", "usbtablet", "Pointing device of guests.", choices=("ps2mouse", "usbtablet")),
    # stop, reboot, restart of the host
    Option(_D, "shutdown_timeout", "int", 60, "Seconds a guest gets to shut down by itself.", minimum=0),
    Option(_D, "reboot_timeout", "int", 0, "Seconds after which a soft reboot is given up; 0: never.", minimum=0),
    Option(
        _D,
        "resume_guests_state_on_host_boot",
        "bool",
        True,
        "Start guests again that ran before the host went down.",
        nova_default=False,
    ),
    Option(
        _D,
        "allow_resize_to_same_host",
        "bool",
        True,
        "A resize may stay on its host, as it must where there is one.",
        nova_default=False,
    ),
    # periodic duties; seconds, 0 is the default of 60, negative is off
    Option(_D, "periodic_enable", "bool", True, "Whether periodic duties run at all."),
    Option(_D, "report_interval", "int", 10, "Seconds between two heartbeats.", minimum=1),
    Option(_D, "service_down_time", "int", 60, "Seconds without heartbeat until a service is down.", minimum=1),
    Option(_D, "sync_power_state_interval", "int", 600, "Seconds between two power state passes."),
    Option(_D, "update_resources_interval", "int", 0, "Seconds between two looks at the host's resources."),
    Option(_D, "resize_confirm_window", "int", 0, "Seconds after which a resize is confirmed; 0: never.", minimum=0),
    Option(_D, "running_deleted_instance_poll_interval", "int", 1800, "Seconds between two looks for orphans."),
    Option(
        _D,
        "running_deleted_instance_action",
        "str",
        "reap",
        "What is done with guests whose server is deleted.",
        choices=("noop", "log", "shutdown", "reap"),
    ),
    Option(_D, "running_deleted_instance_timeout", "int", 0, "Seconds after the deletion until it is done.", minimum=0),
    Option("compute", "shutdown_retry_interval", "int", 10, "Seconds between two shutdown requests.", minimum=1),
    Option(
        "workarounds",
        "handle_virt_lifecycle_events",
        "bool",
        True,
        "Follow the hypervisor's events; without them only the periodic pass remains.",
    ),
    Option("image_cache", "subdirectory_name", "str", "_base", "Directory of cached images in instances_path."),
    Option("image_cache", "manager_interval", "int", 2400, "Seconds between two passes; 0: 60 s, -1: off.", minimum=-1),
    Option("image_cache", "remove_unused_base_images", "bool", True, "Whether unused bases are removed."),
    Option(
        "image_cache",
        "remove_unused_original_minimum_age_seconds",
        "int",
        86400,
        "Age at which an unused base is removed.",
        minimum=0,
    ),
    # the API
    Option(_D, "password_length", "int", 12, "Length of generated administrator passwords.", minimum=0),
    Option(_D, "default_availability_zone", "str", "nova", "Zone of hosts that no aggregate puts into another."),
    Option(_D, "default_schedule_zone", "str", None, "Zone of servers that ask for none."),
    Option("api", "max_limit", "int", 1000, "Most rows of one page.", minimum=0),
    Option("api", "enable_instance_password", "bool", True, "Whether create and rebuild answer with adminPass."),
    Option("api", "dhcp_domain", "str", "novalocal", "Domain that is put behind host names; empty: none."),
    Option("consoleauth", "token_ttl", "int", 600, "Seconds that a console token is good for.", minimum=0),
)
