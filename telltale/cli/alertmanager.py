"""Which Alertmanager is there, and whether it can do what the receivers of the settings need."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from telltale.binaries import find
from telltale.settings import Settings

Version = tuple[int, ...]


def version(settings: Settings) -> Version | None:
    """Of the Alertmanager at `alertmanager.url`, else of the binary; None where neither says it."""
    from alerting import delivery

    if settings.alertmanager.url:
        try:
            return delivery.version(settings)
        except delivery.Unreachable:
            return None
    return _of(find(settings, "alertmanager"))


def too_old(settings: Settings) -> Iterator[str]:
    """One line for each receiver that it is too old for; nothing where its version is not known."""
    from alerting.config import needs

    if settings.receivers and (found := version(settings)):
        where = settings.alertmanager.url or str(find(settings, "alertmanager"))
        yield from needs.too_old(settings, found, where)


def ragged_secrets(settings: Settings, found: Version) -> Iterator[str]:
    """One line for each secret with a line break at its end that this Alertmanager would send as part of it."""
    from alerting.config import needs

    for receiver in settings.receivers:
        file = receiver.url_file or receiver.key_file or receiver.password_file
        trims = needs.trims_from(receiver)
        if file and found < trims and file.is_file() and (text := file.read_text()) != text.strip():
            yield (
                f"receivers: {receiver.name}: {file}: begins or ends with white space, which Alertmanager "
                f"{needs.written(found)} sends as part of the secret ({needs.written(trims)} does not); "
                "write it without, such as with printf %s"
            )


def outdated_amtool(settings: Settings) -> str:
    """Why the amtool at hand cannot judge the configuration that a newer Alertmanager reads; empty where it can."""
    from alerting.config import needs

    amtool = find(settings, "amtool")
    found = _of(amtool) if settings.receivers else None
    newest = max((needs.least(receiver)[0] for receiver in settings.receivers), default=needs.LEAST)
    if found is None or found >= newest:
        return ""
    return (
        f"{amtool} is {needs.written(found)} and knows nothing of receivers that need {needs.written(newest)}, so "
        "alertmanager.yml was not checked; name a newer one in alertmanager.amtool"
    )


def _of(binary: Path | None) -> Version | None:
    from alerting.config import needs

    if binary is None:
        return None
    try:
        done = subprocess.run([binary.absolute(), "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Some releases write it to standard error.
    return needs.parse(done.stdout + done.stderr) if done.returncode == 0 else None
