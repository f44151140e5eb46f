"""Conversations as data: one reader of messages for every form that senders write.

`message` has the form that all are read into, which is OTel's (semantic conventions for generative AI, JSON schemas of
gen-ai-input-messages and gen-ai-output-messages); `parts` and `envelopes` read what is written otherwise; `bodies`
reads whole requests and responses of providers' APIs; `texts` derives what monitors compare.
"""
