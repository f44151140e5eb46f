"""The pages and the API."""

from __future__ import annotations

from telltale.catalogue.metric import Metric

WEB = (Metric("telltale_web_requests_total", "counter", "", ("route", "status"), "Requests to pages and API."),)
