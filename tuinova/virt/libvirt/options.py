"""The driver's settings: Nova's option names and defaults (groups libvirt, vnc and DEFAULT)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LibvirtOptions:
    """Sizes in MiB and times in seconds, as Nova has them; the options without a Nova name say so."""

    # [libvirt]
    virt_type: str = "auto"  # auto (ours): kvm when it works, else qemu
    cpu_mode: str = ""  # empty: host-model (host-passthrough on aarch64)
    cpu_models: tuple[str, ...] = ()
    hw_machine_type: str = ""
    images_type: str = "default"
    disk_cachemodes: tuple[str, ...] = ()  # file=writethrough
    wait_soft_reboot_seconds: int = 120
    mem_stats_period_seconds: int = 10
    rng_dev_path: str = "/dev/urandom"
    use_virtio_for_bridges: bool = True
    snapshots_directory: str = "$instances_path/snapshots"
    snapshot_image_format: str = ""  # empty: that of the disk
    num_pcie_ports: int = 8
    device_detach_attempts: int = 8
    device_detach_timeout: int = 20  # seconds for each attempt
    live_migration_uri: str = ""  # with %s for the destination; empty: made of the next two
    live_migration_scheme: str = ""  # empty: tcp
    live_migration_inbound_addr: str = ""  # empty: the name that libvirt has for the host
    live_migration_bandwidth: int = 0  # MiB/s, 0: all that there is
    live_migration_downtime: int = 500  # milliseconds
    live_migration_downtime_steps: int = 10
    live_migration_downtime_delay: int = 75  # seconds between two steps for each GiB
    live_migration_completion_timeout: int = 800  # seconds for each GiB, 0: none
    live_migration_timeout_action: str = "abort"
    live_migration_permit_post_copy: bool = False
    live_migration_permit_auto_converge: bool = False
    # [DEFAULT]
    use_cow_images: bool = True
    force_raw_images: bool = True
    config_drive_format: str = "iso9660"
    default_ephemeral_format: str = ""
    pointer_model: str = "usbtablet"
    my_ip: str = ""
    # [vnc]
    vnc_enabled: bool = True
    vnc_server_listen: str = "127.0.0.1"
    # [image_cache]
    image_cache_subdirectory_name: str = "_base"
    remove_unused_base_images: bool = True
    remove_unused_original_minimum_age_seconds: int = 86400
    remove_unused_resized_minimum_age_seconds: int = 3600
    # ours
    network: str = "default"  # libvirt's network that guests join
    create_network: bool = True  # define and start it when it is missing or off
    keep_boot_logs: int = 5
    qemu_img_timeout: int = 3600
    qemu_img_info_timeout: int = 60
    start_timeout: int = 120
