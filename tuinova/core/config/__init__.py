"""The configuration: TOML with Nova's groups, names and defaults."""

from tuinova.core.config.config import OPTIONS, Config, Group, load
from tuinova.core.config.option import Option

__all__ = ["OPTIONS", "Config", "Group", "Option", "load"]
