"""Where libvirt has put a guest's devices, by MAC address and serial."""

from __future__ import annotations

from tuinova.virt.libvirt.device_addresses import device_addresses

XML = """<domain><devices>
<interface type='network'><mac address='FA:16:3e:00:00:02'/>
  <address type='pci' domain='0x0000' bus='0x01' slot='0x1f' function='0x2'/></interface>
<interface type='network'><mac address='fa:16:3e:00:00:03'/></interface>
<disk type='file' device='disk'><target dev='vda' bus='virtio'/>
  <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>
<disk type='file' device='disk'><serial>ABC-1</serial><target dev='vdb' bus='virtio'/>
  <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/></disk>
<disk type='file' device='disk'><serial>abc-2</serial><target dev='sda' bus='scsi'/>
  <address type='drive' controller='0' bus='0' target='0' unit='1'/></disk>
<disk type='file' device='cdrom'><serial>abc-3</serial><target dev='sdb' bus='sata'/></disk>
<disk type='file' device='disk'><serial>abc-4</serial><target dev='xvda' bus='xen'/></disk>
</devices></domain>"""


def test_devices_are_found_by_what_the_guest_sees_of_them() -> None:
    assert device_addresses(XML) == {
        "fa:16:3e:00:00:02": ("pci", "0000:01:1f.2"),
        "fa:16:3e:00:00:03": ("pci", "none"),
        "abc-1": ("pci", "0000:05:00.0"),
        "abc-2": ("scsi", "none"),
        "abc-3": ("ide", "none"),
        "abc-4": ("none", "none"),
    }
