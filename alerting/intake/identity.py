"""Which ticket an alert belongs to: a hash of the labels that say what is broken and whose it is.

Never an alert's fingerprint, group key or start: they change when a process or Prometheus restarts, or a route is
edited. What only tells one series of a cause from another (a replica, a feature, a path) is left out, so that a storm
is one ticket; what tells one owner or place from another is in it, so that closing a ticket mutes no stranger.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping

DEFAULT_LANE = "ops"
LANES = ("retrain", "ops", "tenant", "none")
TICKET_BY = "ticket_by"
"""A label that a rule sets for its alerts: the names, parted by commas, of the labels that tell its tickets apart."""
MAX_DECLARED = 16

# Drift and feedback of one version meet in one ticket, whatever tenant, segment or monitor they are of.
BY_LANE = {"retrain": ("cluster", "model", "version")}

SCOPE = (
    *("cluster", "region", "datacenter", "environment", "env", "namespace", "kubernetes_namespace"),
    *("tenant", "tenant_id", "customer", "organization", "project", "account", "team"),
)
WORKLOADS = ("deployment", "statefulset", "daemonset", "cronjob", "app", "app_kubernetes_io_name", "service")
HOSTS = ("node", "nodename", "host", "hostname", "Hostname")
DEVICES = ("gpu", "GPU_I_ID", "uuid", "UUID", "device", "mountpoint", "xid")
RESOURCES = (
    *("persistentvolumeclaim", "horizontalpodautoscaler", "queue", "vhost", "topic", "consumergroup"),
    *("consumer_group", "database", "datname", "db", "keyspace", "bucket", "target", "domain"),
)
OURS = ("model", "model_name", "version", "layer", "monitor", "reason", "integration", "rule_group", "tracker", "slo")
# The host that such an exporter runs on is what its alerts are about, though it runs in a pod.
HOST_EXPORTERS = frozenset(("node-exporter", "node", "windows-exporter", "dcgm", "dcgm-exporter", "telltale-gpu"))
# Such an exporter reports on objects other than itself: its own service and address say nothing of them.
REPORTERS = frozenset(("kube-state-metrics", "kubelet", "cadvisor", "kubernetes-cadvisor"))
OBJECTS = ("deployment", "statefulset", "daemonset", "cronjob", "job_name", *RESOURCES[:2], "node")

# Labels that no limit on their number may drop: the ticket's identity and what decides on it.
CHOSEN = frozenset(
    ("alertname", "severity", "lane", "component", TICKET_BY, "job", "job_name", "instance", "pod")
    + (SCOPE + WORKLOADS + HOSTS + DEVICES + RESOURCES + OURS)
)

# A pod's suffix: that of a replica (checkout-7d9f8b6c5-x2x4q), of a job's run (backup-28391040-m4kzx), or an ordinal
# (db-0). Kubernetes writes random ones without vowels, so that they are no words.
_RANDOM = "bcdfghjklmnpqrstvwxz2456789"
_REPLICA = re.compile(rf"(-[{_RANDOM}]{{6,10}}|-\d{{6,10}})?-([{_RANDOM}]{{5}}|(?=[a-z]*\d)[0-9a-z]{{5}})$|-?\d+$")
_EXPORTED = "exported_"
_WORKLOADS, _HOSTS, _DEVICES, _OBJECTS = map(frozenset, (WORKLOADS, HOSTS, DEVICES, OBJECTS))
_ALWAYS = frozenset(("alertname", "job", *SCOPE, *WORKLOADS, *RESOURCES, *OURS, *DEVICES))


def lane(labels: Mapping[str, str]) -> str:
    """The lane that an alert asks for, `ops` where it asks for none that there is."""
    asked = labels.get("lane", "")
    return asked if asked in LANES else DEFAULT_LANE


def key(labels: Mapping[str, str]) -> str:
    """The identity of the ticket that an alert with these labels belongs to, as 64 hexadecimal digits."""
    text = json.dumps([labels.get("lane") or DEFAULT_LANE, chosen(labels)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def chosen(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that tell this alert's ticket from others."""
    own = BY_LANE.get(lane(labels))
    if own and labels.get("model"):
        return {name: labels.get(name, "") for name in own}
    if by := declared(labels):
        return _pick(labels, {"alertname", "cluster", *by})
    if not labels.get("alertname"):
        # Without a name nothing says what two alerts have in common.
        return dict(labels)
    return _about(_subject(labels))


def declared(labels: Mapping[str, str]) -> tuple[str, ...]:
    """The labels that the alert's own rule names as those that tell its tickets apart; none where it names none."""
    return tuple(name for name in re.split(r"[,\s]+", labels.get(TICKET_BY, "")) if name)[:MAX_DECLARED]


def _about(labels: Mapping[str, str]) -> dict[str, str]:
    """What an alert is about by the usual names of labels: a workload, a host or one of its devices, or a resource."""
    job, has_pod = labels.get("job"), "pod" in labels
    if has_pod and job not in HOST_EXPORTERS and not labels.keys() & _DEVICES:
        # One pod of a service is as good as another, and takes node and address with it when it moves.
        return _pick(labels, _ALWAYS) | _workload(labels, "pod")
    if job in REPORTERS and labels.keys() & _OBJECTS:
        return _pick(labels, _ALWAYS | _HOSTS) | _workload(labels, "job_name")
    is_placed = has_pod and labels.keys() & _HOSTS
    return _pick(labels, _ALWAYS | _HOSTS if is_placed else _ALWAYS | _HOSTS | {"instance"})


def _workload(labels: Mapping[str, str], of: str) -> dict[str, str]:
    """Where no label names what the pod (or the job's run) belongs to, its own name without its suffix does."""
    is_named = labels.keys() & _WORKLOADS and labels.get("job") not in REPORTERS
    return {} if is_named else {"workload": _REPLICA.sub("", labels.get(of, ""))}


def _subject(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of what is reported on, where Prometheus kept the exporter's own under the plain names.

    A label without a value is none.
    """
    given = {name: value for name, value in labels.items() if value}
    reported = {name.removeprefix(_EXPORTED): given[name] for name in given if name.startswith(_EXPORTED)}
    return given | reported


def _pick(labels: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name in names}
