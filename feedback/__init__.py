"""Human feedback: the API that takes it, the page that shows it beside the answers, the data sets made of it."""
