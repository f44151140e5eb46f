"""Conversations as data: one reader of messages for every form that senders write.

`telltale.conversation` has the form that all are read into; `parts` and `envelopes` read what is written otherwise;
`bodies` reads whole requests and responses of providers' APIs; `places` knows where each sender puts them, `joining`
joins what several places tell. Names are not cut here but once they are redacted (`keep.drafting`): half a secret would
be left of them, which nothing recognises.
"""
