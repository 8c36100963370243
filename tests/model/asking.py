"""How each action is asked for, and what its yes looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .face import Reply
from .records import Server

Args = Mapping[str, Any]
Request = tuple[str, str, Any]


def _key(key: str, body: Callable[[Args], Any] = lambda args: None) -> Callable[[Args], Request]:
    return lambda args: ("POST", "/action", {key: body(args)})


def _named(*names: str) -> Callable[[Args], dict[str, Any]]:
    return lambda args: {name: args[name] for name in names if name in args}


_REQUESTS: Mapping[str, Callable[[Args], Request]] = {
    "start": _key("os-start"),
    "stop": _key("os-stop"),
    "reboot": _key("reboot", lambda args: {"type": "SOFT"}),
    "hard reboot": _key("reboot", lambda args: {"type": "HARD"}),
    **{
        name: _key(name)
        for name in ("pause", "unpause", "suspend", "resume", "unlock", "unrescue", "shelve", "restore")
    },
    "lock": _key("lock", lambda args: {"locked_reason": args["reason"]} if args.get("reason") else None),
    "resize": _key("resize", lambda args: {"flavorRef": args["flavor"]}),
    "migrate": _key("migrate", lambda args: {"host": args["host"]} if args.get("host") else None),
    "confirm": _key("confirmResize"),
    "revert": _key("revertResize"),
    "live migrate": _key("os-migrateLive", lambda args: {"host": args.get("host"), "block_migration": "auto"}),
    "evacuate": _key("evacuate", _named("host")),
    "rebuild": _key("rebuild", lambda args: {"imageRef": args["image"]}),
    "rescue": _key("rescue"),
    "shelve offload": _key("shelveOffload"),
    "unshelve": _key("unshelve"),
    "create image": _key("createImage", _named("name")),
    "create backup": _key("createBackup", _named("name", "backup_type", "rotation")),
    "crash dump": _key("trigger_crash_dump"),
    "change password": _key("changePassword", lambda args: {"adminPass": "Secret-of-2"}),
    "reset state": _key("os-resetState", _named("state")),
    "console log": _key("os-getConsoleOutput", lambda args: {}),
    "force delete": _key("forceDelete"),
    "delete": lambda args: ("DELETE", "", None),
    "diagnostics": lambda args: ("GET", "/diagnostics", None),
    "rename": lambda args: ("PUT", "", {"server": {"name": args["name"]}}),
    "set metadata": lambda args: ("POST", "/metadata", {"metadata": args["items"]}),
    "delete metadata": lambda args: ("DELETE", f"/metadata/{args['key']}", None),
}


def request(action: str, server: Server, args: Args) -> Request:
    """Method, path and body."""
    method, path, body = _REQUESTS[action](args)
    return method, f"/v2.1/servers/{server.uuid}{path}", body


# What is wrong with the body of a yes; no entry: it has none.
def _password(reply: Reply, server: Server, args: Args) -> bool:
    return set(reply.body) == {"adminPass"} and len(reply.body["adminPass"]) == 12


def _image(reply: Reply, server: Server, args: Args) -> bool:
    return set(reply.body) == {"image_id"}


def _server(reply: Reply, server: Server, args: Args) -> bool:
    return bool(reply.body["server"]["id"] == server.uuid)


def _renamed(reply: Reply, server: Server, args: Args) -> bool:
    return _server(reply, server, args) and reply.body["server"]["name"] == args["name"]


def _metadata(reply: Reply, server: Server, args: Args) -> bool:
    return bool(reply.body == {"metadata": {**server.metadata, **args["items"]}})


def _diagnostics(reply: Reply, server: Server, args: Args) -> bool:
    return bool(reply.body["state"] == "running" and reply.body["num_cpus"] == server.size[0])


_BODIES: Mapping[str, Callable[[Reply, Server, Args], bool]] = {
    "rescue": _password,
    "create image": _image,
    "create backup": _image,
    "rebuild": _server,
    "rename": _renamed,
    "set metadata": _metadata,
    "diagnostics": _diagnostics,
    "console log": lambda reply, server, args: isinstance(reply.body["output"], str),
}


def body_is_right(action: str, reply: Reply, server: Server, args: Args) -> bool:
    """Whether the answer says what Nova's says; `server` is as it was before."""
    check = _BODIES.get(action)
    return reply.body in (b"", None) if check is None else check(reply, server, args)
