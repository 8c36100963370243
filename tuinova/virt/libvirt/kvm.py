"""Whether KVM works, found by trying: the existence of /dev/kvm says nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
from dataclasses import dataclass
from pathlib import Path

# linux/kvm.h: _IO(KVMIO, 0x00) and _IO(KVMIO, 0x01)
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01
KVM_API_VERSION = 12


@dataclass(frozen=True, slots=True)
class KvmProbe:
    """`works`: a virtual machine was made and dropped; `exists`: the device is there; `denied`: we may not open it."""

    works: bool
    exists: bool
    denied: bool
    reason: str


def probe_kvm(device: Path = Path("/dev/kvm")) -> KvmProbe:
    """Open the device and ask it to create a virtual machine.

    On x86 the processor must show vmx or svm as well: there are KVM modules that do without (PVM in a cloud's small
    guests); they create machines and run firmware, but an ordinary kernel never boots on them.
    """
    try:
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return KvmProbe(False, False, False, f"{device} does not exist")
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM)
        return KvmProbe(False, True, denied, f"{device} can't be opened: {error.strerror}")
    try:
        version = fcntl.ioctl(fd, KVM_GET_API_VERSION, 0)
        if version != KVM_API_VERSION:
            return KvmProbe(False, True, False, f"{device} speaks version {version} of its interface")
        os.close(fcntl.ioctl(fd, KVM_CREATE_VM, 0))
    except OSError as error:
        return KvmProbe(False, True, False, f"{device} exists but can't create a virtual machine: {error.strerror}")
    finally:
        os.close(fd)
    if not cpu_has_virtualisation():
        return KvmProbe(False, True, False, f"{device} exists but the processor shows neither vmx nor svm")
    return KvmProbe(True, True, False, f"{device} creates virtual machines")


def cpu_has_virtualisation(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether an x86 processor shows vmx or svm; True on others, whose flags do not say."""
    if platform.machine() not in ("x86_64", "i686"):
        return True
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    return any(flag in text.split() for flag in ("vmx", "svm"))
