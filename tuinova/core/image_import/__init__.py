"""Images from the web: Glance's import method web-download, carried out by the service and taken up after a crash."""

from tuinova.core.image_import.importer import IMPORT_METHODS, STAGED, WEB, Importer
from tuinova.core.image_import.rules import DownloadRules

__all__ = ["IMPORT_METHODS", "STAGED", "WEB", "DownloadRules", "Importer"]
