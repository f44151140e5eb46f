"""Make Debian's Prometheus and Alertmanager find their files where they were unpacked.

Debian builds both to read templates and pages from fixed folders below /usr/share; Alertmanager does not even start
without its own. Nothing may be installed there, so in our copy the folder's name becomes that of an open directory,
`/proc/self/fd/N`, padded to the same length, and a script in the program's place opens it (proc(5)).
"""

from __future__ import annotations

from pathlib import Path

FOLDERS = {
    "prometheus": "/usr/share/prometheus/web",
    "prometheus-alertmanager": "/usr/share/prometheus/alertmanager",
}
SUFFIX = ".bin"
_DESCRIPTOR = 9
_SCRIPT = """\
#!/bin/sh
here=$(dirname "$0")
exec {descriptor}<"$here/{folder}"
exec "$here/{program}" "$@"
"""


def relocate(root: Path) -> list[str]:
    """Relocate the programs unpacked under `root`; twice does no harm. Returns the names of those relocated now."""
    return [name for name, folder in FOLDERS.items() if _relocate(root.absolute(), name, folder)]


def _relocate(root: Path, name: str, folder: str) -> bool:
    program, files = root / "usr/bin" / name, root / folder.lstrip("/")
    if not program.is_file() or not files.is_dir():
        return False
    content, fixed = program.read_bytes(), folder.encode()
    if content.startswith(b"#!") or fixed not in content:
        return False
    moved = program.with_name(name + SUFFIX)
    moved.write_bytes(content.replace(fixed, f"/proc/self/fd/{_DESCRIPTOR}".encode().ljust(len(fixed), b"/")))
    moved.chmod(0o755)
    script = _SCRIPT.format(descriptor=_DESCRIPTOR, folder=f"../..{folder}", program=moved.name)
    temporary = program.with_name(name + ".new")
    temporary.write_text(script)
    temporary.chmod(0o755)
    temporary.replace(program)
    return True
