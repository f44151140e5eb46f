"""Characters that nobody sees, written so that everybody does.

A text of somebody else's may hold characters that turn the line around (U+202E), hide words or command a terminal: on a
page it would look other than it is. They are shown by their number. Joiners stay where scripts and emoji need them.
Unicode Technical Report 36, section 2; Unicode Standard Annex 9 for the directional ones.
"""

from __future__ import annotations

import re

from markupsafe import Markup

_NEVER = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffb\U000e0000-\U000e007f"
)
# Beside a letter of a script that joins letters, or an emoji: any character but these.
_JOINED = "[^\x00-\u02ff\u2000-\u206f\u3000]"
_UNSEEN = re.compile(f"[{_NEVER}]|(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})")


def visible(value: object) -> object:
    """A text with its unseen characters as `[U+202E]`; markup of our own and what is no text as they are."""
    if not isinstance(value, str) or isinstance(value, Markup) or (value.isascii() and value.isprintable()):
        return value
    return _UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", value)
