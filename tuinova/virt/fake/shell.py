"""The terminal of a fake guest, a line editor, login and its shell: a function of its record and the typed bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tuinova.virt.fake import boot
from tuinova.virt.fake.accounts import accepts
from tuinova.virt.fake.commands import Session, run_line
from tuinova.virt.fake.record import LOGIN, PASSWORD, SHELL, GuestRecord

_LINE_LIMIT = 4096
# Cursor reports, arrow keys and the like: a line editor takes them, they are never echoed.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\[O])")


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
        if accepts(record, record.user, line):
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
    session = Session(record, uptime, as_root=record.user == "root")
    run_line(session, line)
    reaction.say("".join(session.printed))
    reaction.power = session.power
    if session.leaves:
        _log_out(record, reaction)
