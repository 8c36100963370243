"""The files of a fake guest: a shell writes them, disks keep them, memory does not."""

from __future__ import annotations

import pytest

from tuinova.virt.fake.disks import DISK_LIMIT
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.shell import type_in

LOGIN = b"cirros\rgocubsgo\r"


def a_guest() -> GuestRecord:
    guest = GuestRecord("u", "instance-00000001", hostname="vm1", memory_mb=128, root_gb=1, ephemeral_gb=2, swap_mb=64)
    type_in(guest, LOGIN, 0.0)
    return guest


def run(guest: GuestRecord, line: str) -> str:
    output = "".join(type_in(guest, line.encode() + b"\r", 61.0).output)
    return output.removeprefix(line + "\r\n").removesuffix("$ \x1b[6n").replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("echo a > x; cat x", "a\n"),
        ("echo a > x; echo b >> x; cat ~/x", "a\nb\n"),
        ("echo a>x; echo b>x; cat /home/cirros/x", "b\n"),
        ("X=note; echo hi > $X; ls", "note\n"),
        ("echo 'a > b'", "a > b\n"),
        ('echo "a; b"', "a; b\n"),
        ("echo a # > x; ls", "a\n"),
        ("cat nothing 2> /dev/null || echo none", "cat: can't open 'nothing': No such file or directory\nnone\n"),
        ("cat nothing && echo found", "cat: can't open 'nothing': No such file or directory\n"),
        ("false; echo $?", "1\n"),
        ("true && echo yes || echo no", "yes\n"),
        ("mkdir d && echo a > d/x && ls d && cat d/x", "x\na\n"),
        ("mkdir d; rm d; rm -r d; ls", "rm: can't remove 'd': Is a directory\n"),
        ("touch x y; rm x; ls", "y\n"),
        ("rm -f x; rm x", "rm: can't remove 'x': No such file or directory\n"),
        ("echo a > no/such/place", "-sh: can't create no/such/place: No such file or directory\n"),
        ("echo a > /etc/motd", "-sh: can't create /etc/motd: Permission denied\n"),
        ("sudo sh -c 'echo a > /etc/motd'; cat /etc/motd", "a\n"),
        ("sudo sh -c 'echo a > /proc/uptime'", "-sh: can't create /proc/uptime: Permission denied\n"),
        ("cat /etc/shadow", "cat: can't open '/etc/shadow': Permission denied\n"),
        ("cat /etc", "cat: can't open '/etc': Is a directory\n"),
        ("ls /nowhere", "ls: /nowhere: No such file or directory\n"),
        ("cat /sys/block/vda/size /sys/block/vdc/size", "2097152\n131072\n"),
        ("ls /sys/block", "vda  vdb  vdc\n"),
        ("mount /dev/vda1 /mnt", "mount: permission denied (are you root?)\n"),
        ("sudo mount /dev/vdz1 /mnt", "mount: mounting /dev/vdz1 on /mnt failed: Invalid argument\n"),
        ("echo a >", "sh: syntax error: unexpected redirection\n"),
        ("sh -c 'sh -c \"echo deep\"'", "deep\n"),
    ],
)
def test_lines(line: str, expected: str) -> None:
    assert run(a_guest(), line) == expected


def test_disks_keep_what_a_reset_takes_from_memory() -> None:
    guest = a_guest()
    run(guest, "echo a > kept; echo b > /tmp/lost; V=lost")
    run(guest, "sudo sh -c 'echo c > /mnt/kept'")
    assert run(guest, "cat kept /tmp/lost /mnt/kept; echo $V") == "a\nb\nc\nlost\n"
    guest.reset(0.0)
    type_in(guest, LOGIN, 0.0)
    assert run(guest, "cat kept /mnt/kept; ls /tmp; echo $V") == "a\nc\n\n"


def test_a_disk_is_full_at_last_and_keeps_what_it_has() -> None:
    guest = a_guest()
    for number in range(2 * DISK_LIMIT // 4000):
        output = run(guest, f"echo {'x' * 4000} > file-{number}")
        if output:
            break
    assert output.endswith("No space left on device\n")
    assert run(guest, "cat file-0").strip() == "x" * 4000
    assert run(guest, "rm file-0; echo a > file-0; cat file-0") == "a\n"


def test_a_shell_does_not_call_itself_for_ever() -> None:
    guest = a_guest()
    run(guest, """L='sh -c "$L"'""")
    assert run(guest, 'sh -c "$L"') == "sh: only -c is known here\n"


@pytest.mark.parametrize(
    "line", ["> x", ">> ", "; > ;", "&& ||", "echo $(ls) > `x`", "cat < x", "ls | cat", "''", "a=1>x"]
)
def test_what_a_real_shell_would_do_otherwise_breaks_nothing(line: str) -> None:
    run(a_guest(), line)


def test_copies_of_a_guest_do_not_share_what_is_written() -> None:
    guest = a_guest()
    run(guest, "echo a > x")
    copy = guest.clone()
    run(guest, "echo b > x")
    assert run(copy, "cat x") == "a\n"
    assert GuestRecord.from_json(guest.to_json()) == guest
