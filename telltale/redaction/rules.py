"""What is removed, in the order of matching."""

from __future__ import annotations

from telltale.redaction.identity import ANNOUNCED, PLATES, RESIDENTS, TAXPAYERS
from telltale.redaction.keys import KEYS
from telltale.redaction.named import NAMED
from telltale.redaction.network import ADDRESSES, EMAILS
from telltale.redaction.payment import ACCOUNTS, CARDS, IBANS
from telltale.redaction.phones import PHONES

SHAPES = (
    *(*KEYS, *NAMED),
    *EMAILS,
    # A card's digits must be removed before a phone's shape can match half of them.
    *(*IBANS, *ANNOUNCED, *RESIDENTS, *CARDS, *TAXPAYERS, *PHONES, *ACCOUNTS, *PLATES),
    *ADDRESSES,
)
