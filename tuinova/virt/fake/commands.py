"""The shell of a fake guest: a line of commands, with `;`, `&&`, `||`, `>` and `>>`, quotes and variables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from tuinova.virt.fake import disks, files
from tuinova.virt.fake.files import FileProblem
from tuinova.virt.fake.record import GuestRecord

_SEQ_LIMIT = 1_000_000
_DEPTH_LIMIT = 8
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+|\?))")
_WORDS = re.compile(
    r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|(?<!\S)\#.*|&&|\|\||(?<!\S)2>>?|>>?|;|[^\s;&|>'"\\]+|\s+|.""", re.DOTALL
)


@dataclass(slots=True)
class Session:
    """One shell at work: what it printed, and what it asked of the machine (`power`: "off" or "reset") or its login."""

    record: GuestRecord
    uptime: float
    as_root: bool
    printed: list[str] = field(default_factory=list)
    power: str | None = None
    leaves: bool = False
    depth: int = 0

    def say(self, text: str) -> None:
        """Print, with a program's line ends."""
        self.printed.append(text)

    @property
    def is_over(self) -> bool:
        """Nothing more is run."""
        return self.power is not None or self.leaves


Command = Callable[[Session, list[str]], int | None]


@dataclass(slots=True)
class _Part:
    """One simple command: how it hangs on the one before, its text, where its output goes."""

    after: str
    text: str = ""
    target: str | None = None
    append: bool = False


def run_line(session: Session, line: str) -> int:
    """Run a line; returns the exit status of its last command."""
    status = 0
    for part in _parts(line):
        if (part.after == "&&" and status) or (part.after == "||" and not status):
            continue
        status = _run(session, part)
        session.record.variables = {**session.record.variables, "?": str(status)}
        if session.is_over:
            break
    return status


def _parts(line: str) -> list[_Part]:
    parts, into = [_Part(";")], "text"
    for word in _WORDS.findall(line):
        part = parts[-1]
        if word.startswith("#"):
            continue
        if word in (";", "&&", "||"):
            parts.append(_Part(word))
            into = "text"
        elif word in (">", ">>"):
            part.target, part.append, into = "", word == ">>", "target"
        elif word in ("2>", "2>>"):
            into = "dropped"  # errors go where the output goes; where to is not looked at
        elif into == "target" and part.target is not None:
            if word.isspace() and part.target:
                into = "text"
            part.target += word if not word.isspace() else ""
        elif into == "dropped":
            into = "dropped" if word.isspace() else "text"
        else:
            part.text += word
    return parts


def _expand(text: str, variables: dict[str, str]) -> str:
    # Single quotes keep their dollars, as in a shell.
    parts = re.split(r"('[^']*')", text)
    return "".join(
        part if part.startswith("'") else _VARIABLE.sub(lambda m: variables.get(m.group(1) or m.group(2), ""), part)
        for part in parts
    )


def _run(session: Session, part: _Part) -> int:
    try:
        words = shlex.split(_expand(part.text, session.record.variables), comments=True)
        target = shlex.split(_expand(part.target, session.record.variables)) if part.target is not None else None
    except ValueError:
        session.say("sh: syntax error: unterminated quoted string\n")
        return 2
    if target is None:
        return _command(session, words)
    if len(target) != 1:
        session.say("sh: syntax error: unexpected redirection\n")
        return 2
    kept, session.printed = session.printed, []
    status = _command(session, words)
    text, session.printed = "".join(session.printed), kept
    try:
        path = files.absolute(target[0])
        files.write(session.record, path, text, append=part.append, as_root=session.as_root)
    except FileProblem as problem:
        session.say(f"-sh: can't create {target[0]}: {problem}\n")
        return 1
    return status


def _command(session: Session, words: list[str]) -> int:
    is_sudo = bool(words) and words[0] == "sudo"
    while words and words[0] == "sudo":
        words = words[1:]
    if not words:
        return 0
    name, found, value = words[0].partition("=")
    if found and name.isidentifier():
        session.record.variables = {**session.record.variables, name: value}
        return 0
    command = COMMANDS.get(words[0])
    if command is None:
        session.say(f"-sh: {words[0]}: not found\n")
        return 127
    before, session.as_root = session.as_root, session.as_root or is_sudo
    try:
        return command(session, words[1:]) or 0
    finally:
        session.as_root = before


# commands ------------------------------------------------------------------------------------------------------------
def _echo(session: Session, words: list[str]) -> None:
    end = "\n"
    if words and words[0] == "-n":
        words, end = words[1:], ""
    text = " ".join(words)
    if words and words[0] == "-e":
        text = " ".join(words[1:]).replace("\\n", "\n").replace("\\t", "\t").replace("\\033", "\x1b")
        text = text.replace("\\e", "\x1b").replace("\\a", "\x07")
    session.say(text + end)


def _hostname(session: Session, words: list[str]) -> None:
    if words:
        session.record.hostname = words[0][:255]
    else:
        session.say(session.record.hostname + "\n")


def _uname(session: Session, words: list[str]) -> None:
    hostname = session.record.hostname
    if "-a" in words:
        session.say(f"Linux {hostname} 6.1.0-fake-amd64 #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux\n")
    else:
        parts = {"-n": hostname, "-r": "6.1.0-fake-amd64", "-m": "x86_64"}
        session.say(" ".join(parts.get(word, "Linux") for word in words or ["-s"]) + "\n")


def _seq(session: Session, words: list[str]) -> int:
    try:
        numbers = [int(word) for word in words]
        first, step, last = {1: [1, 1, *numbers], 2: [*numbers[:1], 1, *numbers[1:]], 3: numbers}[len(numbers)]
        values = range(first, last + (1 if step > 0 else -1), step)
    except (ValueError, KeyError):
        session.say("seq: invalid number\n")
        return 1
    session.say("".join(f"{number}\n" for number in values[:_SEQ_LIMIT]))
    return 0


def _uptime(session: Session, _words: list[str]) -> None:
    session.say(f" up {int(session.uptime // 60)} min,  0 users,  load average: 0.00, 0.00, 0.00\n")


def _each(name: str, problem_text: str, call: Callable[[Session, str, list[str]], None]) -> Command:
    """A command that does the same with each path, and goes on after one that fails."""

    def run(session: Session, words: list[str]) -> int:
        options = [word for word in words if word.startswith("-") and word != "-"]
        status = 0
        for word in (word for word in words if word not in options):
            try:
                call(session, files.absolute(word), options)
            except FileProblem as problem:
                session.say(problem_text.format(name=name, word=word, problem=problem))
                status = 1
        return status

    return run


def _cat(session: Session, path: str, _options: list[str]) -> None:
    session.say(files.read(session.record, path, session.uptime, as_root=session.as_root))


def _touch(session: Session, path: str, _options: list[str]) -> None:
    files.write(session.record, path, "", append=True, as_root=session.as_root)


def _mkdir(session: Session, path: str, options: list[str]) -> None:
    try:
        files.make_directory(session.record, path, as_root=session.as_root)
    except FileProblem as problem:
        if "-p" not in options or str(problem) != "File exists":
            raise


def _rm(session: Session, path: str, options: list[str]) -> None:
    given = "".join(options)
    try:
        files.remove(session.record, path, as_root=session.as_root, whole="r" in given)
    except FileProblem as problem:
        if "f" not in given or str(problem) != "No such file or directory":
            raise


def _ls(session: Session, words: list[str]) -> int:
    options = "".join(word for word in words if word.startswith("-"))
    where = next((word for word in words if not word.startswith("-")), ".")
    try:
        names = files.names(session.record, files.absolute(where), hidden="a" in options)
    except FileProblem as problem:
        session.say(f"ls: {where}: {problem}\n")
        return 1
    if where == "/":
        names = [f"\x1b[1;34m{name}\x1b[m" for name in names]
    session.say("  ".join(names) + "\n" if names else "")
    return 0


def _mount(session: Session, words: list[str]) -> int:
    words = [word for word in words if not word.startswith("-")]
    if not words:
        session.say(files.read(session.record, "/proc/mounts", session.uptime, as_root=True))
        return 0
    if len(words) != 2 or not session.as_root:
        session.say("mount: permission denied (are you root?)\n" if len(words) == 2 else "mount: bad usage\n")
        return 1
    try:
        files.mount(session.record, words[0], files.absolute(words[1]))
    except FileProblem as problem:
        session.say(f"mount: mounting {words[0]} on {words[1]} failed: {problem}\n")
        return 1
    return 0


def _mkfs(session: Session, words: list[str]) -> int:
    devices = [word for word in words if word.startswith("/dev/")]
    for disk in disks.seen(session.record):
        if devices == [f"/dev/{disk.name}"] and disk.role not in (disks.ROOT, disks.RESCUE) and session.as_root:
            if disk.role in session.record.mounts.values():
                session.say(f"mke2fs: {devices[0]} is mounted; will not make a filesystem here!\n")
                return 1
            session.record.contents = {**session.record.contents, disk.role: {}}
            return 0
    session.say("mke2fs: can't open: No such file or directory\n")
    return 1


def _umount(session: Session, words: list[str]) -> int:
    for word in words:
        try:
            files.unmount(session.record, files.absolute(word))
        except FileProblem as problem:
            session.say(f"umount: can't unmount {word}: {problem}\n")
            return 1
    return 0


def _df(session: Session, _words: list[str]) -> None:
    session.say("Filesystem           1M-blocks      Used Available Use% Mounted on\n")
    sizes = {disk.role: disk for disk in disks.seen(session.record)}
    for point, role in files.mounts(session.record).items():
        if role in sizes:
            disk, used = sizes[role], 48
            whole = max(disk.size >> 20, used)
            text = f"/dev/{disk.name}{'1' if role in (disks.ROOT, disks.RESCUE) else ''}"
            session.say(f"{text:<20} {whole:9} {used:9} {whole - used:9} {100 * used // whole:3}% {point}\n")


def _ip(session: Session, _words: list[str]) -> None:
    session.say("1: lo: <LOOPBACK,UP>\n    inet 127.0.0.1/8 scope host lo\n2: eth0: <BROADCAST,MULTICAST,UP>\n")
    if session.record.address:
        session.say(f"    inet {session.record.address} scope global eth0\n")


def _sh(session: Session, words: list[str]) -> int:
    if len(words) < 2 or words[0] != "-c" or session.depth >= _DEPTH_LIMIT:
        session.say("sh: only -c is known here\n")
        return 2
    session.depth += 1
    try:
        return run_line(session, words[1])
    finally:
        session.depth -= 1


def _id(session: Session, _words: list[str]) -> None:
    is_root = session.as_root
    session.say(f"uid={0 if is_root else 1000}({'root' if is_root else session.record.user}) gid=0(root)\n")


def _whoami(session: Session, _words: list[str]) -> None:
    session.say("root\n" if session.as_root else session.record.user + "\n")


def _power(what: str, text: str) -> Command:
    def run(session: Session, _words: list[str]) -> None:
        session.say(f"The system is going down NOW!\nSent SIGTERM to all processes\nRequesting system {text}\n")
        session.power = what

    return run


def _leave(session: Session, _words: list[str]) -> None:
    session.leaves = not session.depth


def _say(text: str, status: int = 0) -> Command:
    def run(session: Session, _words: list[str]) -> int:
        session.say(text)
        return status

    return run


COMMANDS: dict[str, Command] = {
    "echo": _echo,
    "hostname": _hostname,
    "uname": _uname,
    "seq": _seq,
    "uptime": _uptime,
    "ls": _ls,
    "cat": _each("cat", "{name}: can't open '{word}': {problem}\n", _cat),
    "touch": _each("touch", "{name}: {word}: {problem}\n", _touch),
    "mkdir": _each("mkdir", "{name}: can't create directory '{word}': {problem}\n", _mkdir),
    "rm": _each("rm", "{name}: can't remove '{word}': {problem}\n", _rm),
    "mount": _mount,
    "umount": _umount,
    "mkfs.ext2": _mkfs,
    "mkfs.ext4": _mkfs,
    "df": _df,
    "ip": _ip,
    "sh": _sh,
    "pwd": _say(files.HOME + "\n"),
    "clear": _say("\x1b[H\x1b[J"),
    "true": _say(""),
    "false": _say("", 1),
    "sync": _say(""),
    "stty": _say(""),
    "export": _say(""),
    "id": _id,
    "whoami": _whoami,
    "exit": _leave,
    "logout": _leave,
    "reboot": _power("reset", "reboot"),
    "poweroff": _power("off", "poweroff"),
    "halt": _power("off", "halt"),
}
