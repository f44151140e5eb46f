"""What would the rules have done? Every rule over the history of a Prometheus, before anybody is woken by it."""
