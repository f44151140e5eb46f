"""Settings: `table` names them all, `values` says what single ones may be, `consistency` how they fit together.

`load` reads them from a TOML file and from TELLTALE_* variables.
"""

from telltale.settings.load import env_names, find_file, is_loopback, load, named_files, walk
from telltale.settings.table import ENV_PREFIX, Alerts, Monitor, Price, Redaction, Section, Settings
from telltale.settings.values import SettingsError

__all__ = [
    "ENV_PREFIX",
    "Alerts",
    "Monitor",
    "Price",
    "Redaction",
    "Section",
    "Settings",
    "SettingsError",
    "env_names",
    "find_file",
    "is_loopback",
    "load",
    "named_files",
    "walk",
]
