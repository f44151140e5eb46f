"""What happens to tickets, in words."""

from __future__ import annotations

EVENT_TITLES = {
    "opened": "Ticket opened",
    "reopened": "Ticket reopened",
    "alert_firing": "Alert fires",
    "alert_resolved": "Alert fell silent",
    "recovering": "No alert fires any more; recovery is being verified",
    "not_recovered": "Not recovered",
    "verified": "Over; closes if this holds",
    "blind": "Blind: nobody can say whether it recovered",
    "closed": "Ticket closed",
    "confirmed": "Seen to be over",
    "acknowledged": "Acknowledged",
    "comment": "Comment",
    "assigned": "Assigned to",
    "unassigned": "Assigned to nobody",
    "snoozed": "Snoozed until",
    "woken": "Snooze ended",
    "labelled": "Label added",
    "unlabelled": "Label removed",
    "linked": "Linked with",
    "unlinked": "Link removed",
    "merged": "Merged into",
    "merged_here": "Merged into this ticket",
}
