"""The images that a fake host has at hand: a name is all that there is of one."""

from __future__ import annotations

import os

from tuinova.virt.driver import ImageFile
from tuinova.virt.fake.doings import Doings


class ImageCache(Doings):
    """The calls of the contract about cached images."""

    def cache_image(self, image: ImageFile) -> bool:
        """See the contract."""
        self.faults.strike("cache_image", "before", image.id)
        directory = self.store.directory / "_base"
        directory.mkdir(mode=0o700, exist_ok=True)
        try:
            os.close(os.open(directory / image.id, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True
