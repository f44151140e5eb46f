"""Why a score was given and a ticket opened, as typed records: one form in memory, one in the store."""
