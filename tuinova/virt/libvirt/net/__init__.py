"""What the libvirt driver does with networks: libvirt's own, ours, their firewall, their ways out."""
