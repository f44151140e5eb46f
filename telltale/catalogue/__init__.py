"""Every metric once: name, type, unit, labels, help; one module a family.

Rules, dashboards, runbooks and the README speak only of metrics that stand here; each entry is emitted by one part and
used by a rule, a recording rule or a dashboard. Names follow the OTel GenAI conventions (dots written as underscores)
and Prometheus' base units; `telltale_` only where no standard name exists.
"""

from __future__ import annotations

from telltale.catalogue.collector import COLLECTOR
from telltale.catalogue.feedback import FEEDBACK
from telltale.catalogue.gpu import GPU
from telltale.catalogue.inference import INFERENCE
from telltale.catalogue.metric import Kind, Metric
from telltale.catalogue.monitors import MONITORS
from telltale.catalogue.review import REVIEW
from telltale.catalogue.store import STORE
from telltale.catalogue.tickets import TICKETS
from telltale.catalogue.web import WEB

__all__ = ["METRICS", "Kind", "Metric", "metric"]

METRICS = (*INFERENCE, *COLLECTOR, *STORE, *MONITORS, *FEEDBACK, *REVIEW, *WEB, *TICKETS, *GPU)
_BY_NAME = {entry.name: entry for entry in METRICS}


def metric(name: str) -> Metric:
    """The entry of that name. Raises KeyError when the catalogue has none."""
    return _BY_NAME[name]
