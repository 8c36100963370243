"""Names of image properties, and the one spelling of architectures, hypervisor types and VM modes.

Sources: nova/objects/image_meta.py, nova/objects/fields.py.
"""

from __future__ import annotations

_NAMES = """
    hw_architecture hw_auto_disk_config hw_boot_menu hw_cdrom_bus hw_cpu_cores hw_cpu_max_cores hw_cpu_max_sockets
    hw_cpu_max_threads hw_cpu_policy hw_cpu_sockets hw_cpu_thread_policy hw_cpu_threads hw_device_id hw_disk_bus
    hw_disk_type hw_emulation_architecture hw_ephemeral_encryption hw_ephemeral_encryption_format hw_firmware_stateless
    hw_firmware_type hw_floppy_bus hw_input_bus hw_ipxe_boot hw_locked_memory hw_machine_type hw_maxphysaddr_bits
    hw_maxphysaddr_mode hw_mem_encryption hw_mem_encryption_model hw_mem_page_size hw_numa_cpus hw_numa_mem
    hw_numa_nodes hw_pci_numa_affinity_policy hw_pmu hw_pointer_model hw_qemu_guest_agent hw_rescue_bus
    hw_rescue_device hw_rng_model hw_scsi_model hw_serial_port_count hw_sound_model hw_time_hpet hw_tpm_model
    hw_tpm_version hw_usb_model hw_video_model hw_video_ram hw_vif_model hw_vif_multiqueue_enabled hw_viommu_model
    hw_virtio_packed_ring hw_vm_mode hw_watchdog_action img_bdm_v2 img_block_device_mapping img_cache_in_nova
    img_compression_level img_config_drive img_hv_requested_version img_hv_type img_linked_clone img_mappings
    img_owner_id img_root_device_name img_signature img_signature_certificate_uuid img_signature_hash_method
    img_signature_key_type img_use_agent img_version img_xenapi_use_agent os_admin_user os_command_line os_distro
    os_require_quiesce os_secure_boot os_skip_agent_inject_files_at_boot os_skip_agent_inject_ssh os_type
    os_vmware_network_config traits_required
"""

PROPERTIES = frozenset(_NAMES.split())
"""Every property that Nova's image schema knows."""

_ARCHITECTURES = {"amd64": "x86_64", "x86-64": "x86_64", "x64": "x86_64", "i386": "i686", "i486": "i686"}
_ARCHITECTURES |= {"i586": "i686", "x86": "i686", "arm64": "aarch64"}
_TYPES = {"xapi": "xen"}
_VM_MODES = {"pv": "xen", "hv": "hvm", "baremetal": "hvm"}


def canonical_architecture(name: str) -> str:
    """An architecture as hosts spell it: amd64 is x86_64, i386 is i686."""
    name = name.lower()
    return _ARCHITECTURES.get(name, name)


def canonical_type(name: str) -> str:
    """A hypervisor type in lower case."""
    name = name.lower()
    return _TYPES.get(name, name)


def canonical_vm_mode(name: str) -> str:
    """A VM mode: pv is xen, hv is hvm."""
    name = name.lower()
    return _VM_MODES.get(name, name)
