"""OpenStack Nova's behaviour on the hypervisor in front of you, in a terminal."""

__version__ = "0.1.0"
