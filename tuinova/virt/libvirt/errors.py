"""libvirt's errors as the contract's; nothing else of libvirt's leaves the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from tuinova.core.errors import HypervisorUnavailable, NovaError
from tuinova.virt.driver import DriverError, GuestNotFound

# How a lost connection shows itself; other libvirt errors come from a daemon that answers.
_BROKEN_CODES = frozenset(
    {
        libvirt.VIR_ERR_INVALID_CONN,
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_INTERNAL_ERROR,
        libvirt.VIR_ERR_RPC,
    }
)
_BROKEN_DOMAINS = frozenset({libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC})
_CLOSED = (
    "client socket is closed",
    "Cannot write data",
    "Cannot recv data",
    "End of file while reading data",
    "keepalive timeout",
)
NO_FIRMWARE = "Unable to find any firmware"
VIRTLOGD_GONE = (
    "virtlogd, which keeps the guests' console logs, does not answer on this host: start it "
    "(systemctl start virtlogd.socket), then try again"
)


def words(error: libvirt.libvirtError) -> str:
    """libvirt's own message."""
    return str(error.get_error_message() or error)


def connection_broken(error: libvirt.libvirtError) -> bool:
    """Whether the daemon went away under the call."""
    text = words(error)
    if "virtlogd" in text:
        return False
    code, domain = error.get_error_code(), error.get_error_domain()
    if code in (libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_NO_CONNECT):
        return True
    return code in _BROKEN_CODES and domain in _BROKEN_DOMAINS and any(part in text for part in _CLOSED)


def translate(error: libvirt.libvirtError, *, host: str, uuid: str = "") -> NovaError:
    """The contract's error for one of libvirt's."""
    text = words(error)
    if connection_broken(error):
        return HypervisorUnavailable(host=host, reason=text)
    if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
        return GuestNotFound(uuid=uuid or text)
    if "virtlogd" in text:
        return DriverError(reason=VIRTLOGD_GONE)
    if NO_FIRMWARE in text:
        return DriverError(reason=f"this host has no firmware for UEFI guests (Debian package ovmf): {text}")
    return DriverError(reason=text)


@contextmanager
def translated(host: str, uuid: str = "") -> Iterator[None]:
    """Everything inside raises the contract's errors only."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error, host=host, uuid=uuid) from error
    except OSError as error:
        # A file that can't be read or written: what it means for a guest was said where it is known.
        what = f"{error.filename}: " if error.filename else ""
        raise DriverError(reason=f"{what}{error.strerror or error}") from error
