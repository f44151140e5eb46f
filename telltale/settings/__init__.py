"""Settings: `table` names them all, `values` says what single ones may be, `consistency` how they fit together.

`load` reads them from a TOML file and from TELLTALE_* variables.
"""

from telltale.settings.load import env_names, find_file, is_loopback, load, named_files, walk
from telltale.settings.people import Receiver, Team
from telltale.settings.section import Section
from telltale.settings.table import (
    ENV_PREFIX,
    Alerts,
    Evidently,
    Monitor,
    OneMonitor,
    Price,
    Redaction,
    Settings,
    Split,
)
from telltale.settings.values import SettingsError

__all__ = [
    "ENV_PREFIX",
    "Alerts",
    "Evidently",
    "Monitor",
    "OneMonitor",
    "Price",
    "Receiver",
    "Redaction",
    "Section",
    "Settings",
    "SettingsError",
    "Split",
    "Team",
    "env_names",
    "find_file",
    "is_loopback",
    "load",
    "named_files",
    "walk",
]
