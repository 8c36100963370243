"""The terminal of a fake guest, login and a shell of a few commands: a function of its record and the typed bytes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from tuinova.virt.fake import boot
from tuinova.virt.fake.record import LOGIN, PASSWORD, SHELL, GuestRecord

USERS = {"cirros": boot.PASSWORD, "root": boot.PASSWORD}
_LINE_LIMIT = 4096
_SEQ_LIMIT = 1_000_000
# Cursor reports, arrow keys and the like: a line editor takes them, they are never echoed.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\[O])")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_FILES = {"/": "bin boot dev etc home lib proc root run sbin sys tmp usr var", "home": ".ash_history"}


@dataclass(slots=True)
class Reaction:
    """What typing did: text that the guest printed and what it asked of the machine (None, "off" or "reset")."""

    output: list[str] = field(default_factory=list)
    power: str | None = None

    def say(self, text: str) -> None:
        """Add terminal output, with the line ends of a terminal."""
        self.output.append(text.replace("\n", "\r\n"))


def type_in(record: GuestRecord, data: bytes, uptime: float) -> Reaction:
    """Feed typed bytes to a guest that is up; changes the record's terminal state."""
    reaction = Reaction()
    text = _ESCAPES.sub("", data.decode(errors="replace")).replace("\r\n", "\r")
    for char in text:
        if reaction.power:
            break
        _type_char(record, char, reaction, uptime)
    return reaction


def _type_char(record: GuestRecord, char: str, reaction: Reaction, uptime: float) -> None:
    echo = record.stage != PASSWORD
    if char in "\r\n":
        line, record.line = record.line, ""
        reaction.say("\n")
        _enter(record, line, reaction, uptime)
    elif char in "\x7f\b":
        if record.line:
            record.line = record.line[:-1]
            if echo:
                reaction.say("\b \b")
    elif char == "\x03":
        record.line = ""
        reaction.say("^C\n" if echo else "\n")
        _prompt(record, reaction)
    elif char == "\x15":
        if echo:
            reaction.say("\b \b" * len(record.line))
        record.line = ""
    elif char == "\x04" and record.stage == SHELL and not record.line:
        _log_out(record, reaction)
    elif char >= " " and len(record.line) < _LINE_LIMIT:
        record.line += char
        if echo:
            reaction.say(char)


def _prompt(record: GuestRecord, reaction: Reaction) -> None:
    if record.stage == SHELL:
        # busybox's line editor asks where the cursor is before it waits for keys.
        reaction.say(("# " if record.user == "root" else "$ ") + "\x1b[6n")
    elif record.stage == PASSWORD:
        reaction.say("Password: ")
    else:
        reaction.say(f"{record.hostname} login: ")


def _log_out(record: GuestRecord, reaction: Reaction) -> None:
    record.stage, record.user, record.variables = LOGIN, "", {}
    reaction.say("\n" + boot.ISSUE.replace("\r\n", "\n"))
    _prompt(record, reaction)


def _enter(record: GuestRecord, line: str, reaction: Reaction, uptime: float) -> None:
    if record.stage == LOGIN:
        if line.strip():
            record.user, record.stage = line.strip(), PASSWORD
    elif record.stage == PASSWORD:
        if USERS.get(record.user) == line:
            record.stage, record.variables = SHELL, {}
        else:
            record.user, record.stage = "", LOGIN
            reaction.say("\nLogin incorrect\n")
    else:
        _run_line(record, line, reaction, uptime)
        if reaction.power or record.stage == LOGIN:
            return
    _prompt(record, reaction)


def _run_line(record: GuestRecord, line: str, reaction: Reaction, uptime: float) -> None:
    for part in line.split(";"):
        try:
            words = shlex.split(_expand(part, record.variables), comments=True)
        except ValueError:
            reaction.say("sh: syntax error: unterminated quoted string\n")
            return
        while words and words[0] == "sudo":
            words = words[1:]
        if not words:
            continue
        name, found, value = words[0].partition("=")
        if found and name.isidentifier():
            record.variables = {**record.variables, name: value}
            continue
        command = _COMMANDS.get(words[0])
        if command is None:
            reaction.say(f"-sh: {words[0]}: not found\n")
            continue
        command(record, words[1:], reaction, uptime)
        if reaction.power:
            return


def _expand(text: str, variables: dict[str, str]) -> str:
    # Single quotes keep their dollars, as in a shell.
    parts = re.split(r"('[^']*')", text)
    return "".join(
        part if part.startswith("'") else _VARIABLE.sub(lambda m: variables.get(m.group(1) or m.group(2), ""), part)
        for part in parts
    )


def _echo(_record: GuestRecord, words: list[str], reaction: Reaction, _uptime: float) -> None:
    end = "\n"
    if words and words[0] == "-n":
        words, end = words[1:], ""
    text = " ".join(words)
    if words and words[0] == "-e":
        text = " ".join(words[1:]).replace("\\n", "\n").replace("\\t", "\t").replace("\\033", "\x1b")
        text = text.replace("\\e", "\x1b").replace("\\a", "\x07")
    reaction.say(text + end)


def _hostname(record: GuestRecord, words: list[str], reaction: Reaction, _uptime: float) -> None:
    if words:
        record.hostname = words[0]
    else:
        reaction.say(record.hostname + "\n")


def _uname(record: GuestRecord, words: list[str], reaction: Reaction, _uptime: float) -> None:
    if "-a" in words:
        reaction.say(f"Linux {record.hostname} 6.1.0-fake-amd64 #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux\n")
    else:
        parts = {"-n": record.hostname, "-r": "6.1.0-fake-amd64", "-m": "x86_64"}
        reaction.say(" ".join(parts.get(word, "Linux") for word in words or ["-s"]) + "\n")


def _ls(_record: GuestRecord, words: list[str], reaction: Reaction, _uptime: float) -> None:
    where = next((word for word in words if not word.startswith("-")), ".")
    if where == "/":
        names = (f"\x1b[1;34m{name}\x1b[m" for name in _FILES["/"].split())
        reaction.say("  ".join(names) + "\n")
    elif where in (".", "~", "/home/cirros"):
        reaction.say(_FILES["home"] + "\n" if "-a" in words else "")
    else:
        reaction.say(f"ls: {where}: No such file or directory\n")


def _seq(_record: GuestRecord, words: list[str], reaction: Reaction, _uptime: float) -> None:
    try:
        numbers = [int(word) for word in words]
        first, step, last = {1: [1, 1, *numbers], 2: [*numbers[:1], 1, *numbers[1:]], 3: numbers}[len(numbers)]
        values = range(first, last + (1 if step > 0 else -1), step)
    except (ValueError, KeyError):
        reaction.say("seq: invalid number\n")
        return
    reaction.say("".join(f"{number}\n" for number in values[:_SEQ_LIMIT]))


def _uptime(_record: GuestRecord, _words: list[str], reaction: Reaction, uptime: float) -> None:
    reaction.say(f" up {int(uptime // 60)} min,  0 users,  load average: 0.00, 0.00, 0.00\n")


def _cat(record: GuestRecord, words: list[str], reaction: Reaction, uptime: float) -> None:
    texts = {
        "/proc/uptime": f"{uptime:.2f} {uptime:.2f}\n",
        "/etc/hostname": record.hostname + "\n",
        "/etc/issue": boot.ISSUE.replace("\r\n", "\n"),
        "/proc/meminfo": f"MemTotal:       {record.memory_mb << 10} kB\n",
    }
    for word in words:
        reaction.say(texts.get(word, f"cat: can't open '{word}': No such file or directory\n"))


def _ip(record: GuestRecord, _words: list[str], reaction: Reaction, _uptime: float) -> None:
    reaction.say("1: lo: <LOOPBACK,UP>\n    inet 127.0.0.1/8 scope host lo\n2: eth0: <BROADCAST,MULTICAST,UP>\n")
    if record.address:
        reaction.say(f"    inet {record.address} scope global eth0\n")


def _power(what: str, text: str) -> Callable[[GuestRecord, list[str], Reaction, float], None]:
    def run(_record: GuestRecord, _words: list[str], reaction: Reaction, _uptime: float) -> None:
        reaction.say(f"The system is going down NOW!\nSent SIGTERM to all processes\nRequesting system {text}\n")
        reaction.power = what

    return run


def _say(text: str) -> Callable[[GuestRecord, list[str], Reaction, float], None]:
    return lambda _record, _words, reaction, _uptime: reaction.say(text)


_COMMANDS: dict[str, Callable[[GuestRecord, list[str], Reaction, float], None]] = {
    "echo": _echo,
    "hostname": _hostname,
    "uname": _uname,
    "ls": _ls,
    "seq": _seq,
    "uptime": _uptime,
    "cat": _cat,
    "ip": _ip,
    "pwd": _say("/home/cirros\n"),
    "clear": _say("\x1b[H\x1b[J"),
    "true": _say(""),
    "stty": _say(""),
    "export": _say(""),
    "id": lambda record, _words, reaction, _uptime: reaction.say(
        f"uid={0 if record.user == 'root' else 1000}({record.user}) gid=0(root)\n"
    ),
    "whoami": lambda record, _words, reaction, _uptime: reaction.say(record.user + "\n"),
    "exit": lambda record, _words, reaction, _uptime: _log_out(record, reaction),
    "logout": lambda record, _words, reaction, _uptime: _log_out(record, reaction),
    "reboot": _power("reset", "reboot"),
    "poweroff": _power("off", "poweroff"),
    "halt": _power("off", "halt"),
}
