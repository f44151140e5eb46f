"""Review: what is asked (`rubrics`), of which calls (`queues`), who has which (`leases`), what they said (`labels`)."""
