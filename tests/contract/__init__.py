"""What every driver keeps: one suite for the fake and a real libvirt."""
