"""Run in a fresh network namespace by test_links.py: two bridges with one guest each, and what each of them is told.

The guests are namespaces too; prints one JSON object. Everything goes when this process ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ADDRESS = "169.254.169.254"
OURS, THEIRS = "br-one", "br-two"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def guest(bridge: str, address: str) -> int:
    """A namespace behind a bridge, kept by a process; its pid."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    ours = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{holder.pid}/ns/net") == ours:
        time.sleep(0.01)
    tap = f"t-{bridge}"
    ip("link", "add", tap, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
    ip("link", "set", tap, "master", bridge, "up")
    for words in (
        ["link", "set", "lo", "up"],
        ["link", "set", "eth0", "up"],
        ["addr", "add", f"{address}/24", "dev", "eth0"],
        ["route", "add", ADDRESS, "dev", "eth0"],
    ):
        subprocess.run(["nsenter", "--target", str(holder.pid), "--net", "ip", *words], check=True)
    return holder.pid


def bridge(name: str) -> None:
    ip("link", "add", name, "type", "bridge")
    ip("link", "set", name, "up")


def rules() -> int:
    """How many rules of the service there are."""
    shown = subprocess.run(["ip", "rule", "show"], capture_output=True, text=True, check=True).stdout
    return shown.count("lookup 169254")


def ask(pid: int, to: str = ADDRESS) -> str:
    """What a guest is told: its host name, a status, or that nobody answers."""
    child, parent = os.pipe()
    if os.fork() == 0:
        with Path(f"/proc/{pid}/ns/net").open() as namespace:
            ctypes.CDLL(None).setns(namespace.fileno(), 0)
        os.write(parent, _ask(to).encode())
        os._exit(0)
    os.close(parent)
    with os.fdopen(child) as answer:
        said = answer.read()
    os.wait()
    return said


def ask_again(pid: int) -> str:
    """The same of a guest that still waits for an answer to its last ARP question."""
    said = ""
    for _ in range(5):
        said = ask(pid)
        if not said.endswith("Error"):
            break
        time.sleep(0.5)
    return said


def _ask(to: str) -> str:
    try:
        with socket.create_connection((to, 80), timeout=2) as client:
            client.sendall(b"GET /latest/meta-data/hostname HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            data = b""
            while chunk := client.recv(4096):
                data += chunk
    except OSError as error:
        return type(error).__name__
    head, _, body = data.decode().partition("\r\n\r\n")
    return body if " 200 " in head else head.split()[1]


def main() -> dict[str, Any]:
    from tests.metadata.conftest import Guests, Served
    from tuinova.metadata import listeners
    from tuinova.metadata.http import Limits
    from tuinova.metadata.limits import RateLimits
    from tuinova.metadata.service import MetadataOptions
    from tuinova.metadata.ways import Ways

    ip("link", "set", "lo", "up")
    bridge(OURS)
    bridge(THEIRS)
    # Both networks have the same addresses: only the bridge tells their guests apart.
    one, two = guest(OURS, "10.0.0.5"), guest(THEIRS, "10.0.0.5")
    three = guest_more(OURS, "10.0.0.6")
    known = Guests()
    known.add("one", "10.0.0.5", uuid="1", hostname="vm1")
    known.add("two", "10.0.0.5", uuid="2", hostname="vm2")
    found: dict[str, Any] = {}
    options = MetadataOptions(rates=RateLimits(), limits=Limits())
    # What a service that was killed has left: a rule for a bridge that is gone.
    ip("rule", "add", "pref", "169", "iif", "br-gone", "lookup", "169254")
    with Served(known, {"one": OURS}, options, Ways()) as served:
        found["rules"] = rules()
        found["guest of the first"] = ask(one)
        found["guest of the second, not served"] = ask(two)
        found["stranger of the first"] = ask(three)
        served.interfaces["two"] = THEIRS
        served.service.look()
        served.until(lambda: len(served.service.links()) == 2)
        found["guest of the second"] = ask_again(two)
        found["guest of the first, both served"] = ask(one)
        found["the host itself"] = _ask(ADDRESS)
        found["neighbour"] = listeners.neighbour(OURS, "10.0.0.5") == mac(one)
        found["neighbour elsewhere"] = listeners.neighbour(THEIRS, "10.0.0.6")
        # A bridge that is made anew has the old name and is another one.
        ip("link", "del", THEIRS)
        served.until(lambda: len(served.service.links()) == 1)
        bridge(THEIRS)
        ip("link", "set", f"t-{THEIRS}", "master", THEIRS, "up")
        served.until(lambda: len(served.service.links()) == 2)
        time.sleep(0.2)
        found["guest of the bridge made anew"] = ask(two)
        found["warnings"] = list(served.service.warnings())
    found["after the end"] = ask(one)
    found["rules after the end"] = rules()
    return found


def guest_more(name: str, address: str) -> int:
    """A second guest behind a bridge."""
    ip("link", "set", f"t-{name}", "name", f"u-{name}")
    return guest(name, address)


def mac(pid: int) -> str:
    command = ["nsenter", "--target", str(pid), "--net", "ip", "-o", "link", "show", "eth0"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return shown.split("link/ether ")[1].split()[0]


if __name__ == "__main__":
    print(json.dumps(main()))
    sys.stdout.flush()
