"""What a call was asked and what it answered: the form that samples keep, reviewers see and training sets are made of.

It is OTel's (semantic conventions for generative AI, JSON schemas of gen-ai-input-messages, gen-ai-output-messages,
gen-ai-system-instructions and gen-ai-tool-definitions). `message` has the types, `texts` derives what monitors compare.
"""

from telltale.conversation.message import Conversation, Message, Part, Tool, Value, content_of, text

__all__ = ["Conversation", "Message", "Part", "Tool", "Value", "content_of", "text"]
