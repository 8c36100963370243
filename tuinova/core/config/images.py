"""The options of images that come from the web."""

from __future__ import annotations

from typing import Final

from tuinova.core.config.option import Option

_I = "image"

OPTIONS: Final = (
    Option(
        _I,
        "allow_private_addresses",
        "bool",
        False,
        "Images may come from private, loopback and link-local addresses.",
        ours=True,
    ),
    Option(
        _I,
        "private_hosts",
        "list",
        (),
        "Names, addresses and networks that images may come from though they are not public.",
        ours=True,
    ),
    Option(_I, "max_download_gb", "int", 256, "GiB that an image from the web may have.", ours=True, minimum=1),
    Option(
        _I,
        "download_timeout",
        "int",
        60,
        "Seconds without data (or with hardly any) until a connection counts as broken.",
        ours=True,
        minimum=1,
    ),
    Option(
        _I,
        "download_attempts",
        "int",
        5,
        "Connections in a row that bring next to nothing until a download is given up.",
        ours=True,
        minimum=1,
    ),
    Option(_I, "download_redirects", "int", 5, "Redirects that a download follows.", ours=True, minimum=0),
    Option(_I, "downloads", "int", 3, "Downloads at once; others wait.", ours=True, minimum=1, maximum=32),
)
