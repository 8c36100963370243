"""The libvirt driver: real guests by libvirt and QEMU. The only place that imports libvirt."""
