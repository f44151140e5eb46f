"""Review: queues of calls, what is shown of each, and people's labels."""
