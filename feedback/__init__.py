"""Human feedback: the API that accepts it, the page that shows it beside the responses, the data sets made of it."""
