"""The actions on a server's disk and images, and on its volumes and networks."""

from __future__ import annotations

from tuinova.i18n import N_
from tuinova.screens.tui_action import TuiAction, server_action

_FORMS = "tuinova.screens.forms."

DISKS: tuple[TuiAction, ...] = (
    server_action(
        "rebuild",
        N_("Rebuild Instance"),
        N_("Rebuild"),
        "i",
        "disk",
        "rebuild",
        nova="rebuild",
        alone=True,
        form=_FORMS + "rebuild:RebuildForm",
        help=N_("The root disk is made anew from the image: what is on it is lost."),
    ),
    server_action(
        "rescue",
        N_("Rescue Instance"),
        N_("Rescue"),
        "q",
        "disk",
        "rescue",
        nova="rescue",
        alone=True,
        form=_FORMS + "rescue:RescueForm",
        help=N_("The guest starts from another image, with its own disk beside that one."),
    ),
    server_action(
        "unrescue",
        N_("Unrescue Instance"),
        N_("Unrescue"),
        "Q",
        "disk",
        "unrescue",
        nova="unrescue",
        alone=True,
        help=N_("The guest starts from its own disk again."),
    ),
    server_action(
        "shelve",
        N_("Shelve Instance"),
        N_("Shelve"),
        "j",
        "disk",
        "shelve",
        nova="shelve",
        help=N_("The guest is shut down and its disk kept as an image; then its host is given free."),
    ),
    server_action(
        "shelve-offload",
        N_("Shelve Offload Instance"),
        N_("Offload"),
        "J",
        "disk",
        "shelve",
        nova="shelveOffload",
        sample=("--offload",),
        help=N_("The host is given free; the disk stays as an image."),
    ),
    server_action("unshelve", N_("Unshelve Instance"), N_("Unshelve"), "k", "disk", "unshelve", nova="unshelve"),
    server_action(
        "unshelve-to",
        N_("Unshelve to a Zone or Host"),
        N_("Unshelve to"),
        "H",
        "disk",
        "unshelve",
        nova="unshelve",
        form=_FORMS + "moves:UnshelveForm",
    ),
    server_action(
        "snapshot",
        N_("Create Snapshot"),
        N_("Snapshot"),
        "n",
        "disk",
        "image create",
        nova="createImage",
        alone=True,
        form=_FORMS + "images:SnapshotForm",
        help=N_("The disk as an image; a running guest pauses only for a moment."),
    ),
    server_action(
        "backup",
        N_("Create Backup"),
        N_("Backup"),
        "N",
        "disk",
        "backup create",
        nova="createBackup",
        alone=True,
        form=_FORMS + "images:BackupForm",
        help=N_("A snapshot of a type; of each type only so many are kept, the oldest go."),
    ),
)


def _later(action_id: str, label: str, short: str, letter: str, nova: str, elsewhere: str = "") -> TuiAction:
    """What this version does not do, or does `elsewhere` than on the screens: greyed in the menu, with the reason."""
    return server_action(action_id, label, short, letter, "attach", "", nova=nova, many=False, elsewhere=elsewhere)


_BY_COMMAND = N_("by command: server add volume")
_BY_ADD_NETWORK = N_("by command: server add network")
_BY_REMOVE_PORT = N_("by command: server remove port")
_BY_ADD_FIXED_IP = N_("by command: server add fixed ip")
_BY_REMOVE_FIXED_IP = N_("by command: server remove fixed ip")
_BY_ADD_GROUP = N_("by command: server add security group")
_BY_REMOVE_GROUP = N_("by command: server remove security group")


ATTACHMENTS: tuple[TuiAction, ...] = (
    _later("attach-volume", N_("Attach Volume"), N_("Attach"), "B", "attach_volume", _BY_COMMAND),
    _later("detach-volume", N_("Detach Volume"), N_("Detach"), "W", "detach_volume", _BY_COMMAND),
    _later("attach-interface", N_("Attach Interface"), N_("Attach"), "I", "attach_interface", _BY_ADD_NETWORK),
    _later("detach-interface", N_("Detach Interface"), N_("Detach"), "O", "detach_interface", _BY_REMOVE_PORT),
    _later("add-fixed-ip", N_("Add Fixed IP"), N_("Add"), "X", "addFixedIp", _BY_ADD_FIXED_IP),
    _later("remove-fixed-ip", N_("Remove Fixed IP"), N_("Remove"), "Y", "removeFixedIp", _BY_REMOVE_FIXED_IP),
    _later("add-group", N_("Add Security Group"), N_("Add"), "S", "addSecurityGroup", _BY_ADD_GROUP),
    _later("remove-group", N_("Remove Security Group"), N_("Remove"), "Z", "removeSecurityGroup", _BY_REMOVE_GROUP),
)
