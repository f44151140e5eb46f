"""Which alerts share a ticket: a storm does, strangers never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.intake.identity import SCOPE, key

Labels = dict[str, str]
BASE = {"alertname": "Slow", "severity": "page", "lane": "ops"}

SAME: dict[str, tuple[Labels, Labels]] = {
    "pods of a service": (
        {"namespace": "a", "service": "checkout", "pod": "checkout-1", "instance": "10.0.0.1:80", "node": "n1"},
        {"namespace": "a", "service": "checkout", "pod": "other-9", "instance": "10.0.0.2:80", "node": "n2"},
    ),
    "replicas, by their names": (
        {"namespace": "a", "pod": "checkout-v2-7d9f8b6c5-x2x4q"},
        {"namespace": "a", "pod": "checkout-v2-6b5c8d9f7-bcdfg"},
    ),
    "ordinals": ({"namespace": "a", "pod": "db-0"}, {"namespace": "a", "pod": "db-12"}),
    "runs of a job": (
        {"job": "kube-state-metrics", "namespace": "a", "job_name": "backup-28391040"},
        {"job": "kube-state-metrics", "namespace": "a", "job_name": "backup-28391100"},
    ),
    "a reporter that moved": (
        {"job": "kube-state-metrics", "instance": "10.0.0.1:8080", "namespace": "a", "deployment": "checkout"},
        {"job": "kube-state-metrics", "instance": "10.0.0.9:8080", "namespace": "a", "deployment": "checkout"},
    ),
    "an exporter's pod that moved": (
        {"job": "node-exporter", "pod": "node-exporter-x2x4q", "instance": "10.0.0.1:9100", "node": "n1"},
        {"job": "node-exporter", "pod": "node-exporter-bcdfg", "instance": "10.0.0.2:9100", "node": "n1"},
    ),
    "series that only number a cause": ({"feature": "1", "path": "/a"}, {"feature": "2", "path": "/b"}),
    "parts of a model": (
        {"lane": "retrain", "model": "m", "version": "v", "tenant": "a", "segment": "x"},
        {"lane": "retrain", "model": "m", "version": "v", "tenant": "b", "monitor": "text", "alertname": "Other"},
    ),
    "what a rule declares": (
        {"ticket_by": "queue, shard", "queue": "a", "shard": "1", "namespace": "a"},
        {"ticket_by": "queue, shard", "queue": "a", "shard": "1", "namespace": "b"},
    ),
}
OTHERS: dict[str, tuple[Labels, Labels]] = {
    "another rule": ({"alertname": "Slow"}, {"alertname": "Slower"}),
    "another host": ({"instance": "a:1"}, {"instance": "b:1"}),
    "another service's pods": (
        {"namespace": "a", "pod": "checkout-7d9f8b6c5-x2x4q"},
        {"namespace": "a", "pod": "cart-7d9f8b6c5-x2x4q"},
    ),
    "another service's pods, seen by a reporter": (
        {"job": "kube-state-metrics", "service": "kube-state-metrics", "namespace": "a", "pod": "checkout-0"},
        {"job": "kube-state-metrics", "service": "kube-state-metrics", "namespace": "a", "pod": "cart-0"},
    ),
    "another namespace, seen by an exporter": (
        {"namespace": "monitoring", "exported_namespace": "a", "pod": "x-0", "exported_pod": "checkout-0"},
        {"namespace": "monitoring", "exported_namespace": "b", "pod": "x-0", "exported_pod": "checkout-0"},
    ),
    "another node under an exporter in pods": (
        {"job": "node-exporter", "pod": "node-exporter-x2x4q", "node": "n1"},
        {"job": "node-exporter", "pod": "node-exporter-bcdfg", "node": "n2"},
    ),
    "another node, seen by a reporter": (
        {"job": "kube-state-metrics", "instance": "10.0.0.1:8080", "node": "n1"},
        {"job": "kube-state-metrics", "instance": "10.0.0.1:8080", "node": "n2"},
    ),
    "another GPU of the host": ({"instance": "a", "gpu": "0"}, {"instance": "a", "gpu": "1"}),
    "another queue": ({"instance": "q", "queue": "orders"}, {"instance": "q", "queue": "mail"}),
    "another version of a model": (
        {"lane": "retrain", "model": "m", "version": "v1"},
        {"lane": "retrain", "model": "m", "version": "v2"},
    ),
    "alerts for retraining of no model": (
        {"lane": "retrain", "namespace": "a"},
        {"lane": "retrain", "namespace": "b"},
    ),
    "what a rule declares": ({"ticket_by": "shard", "shard": "1"}, {"ticket_by": "shard", "shard": "2"}),
    "another cluster, whatever a rule declares": (
        {"ticket_by": "shard", "shard": "1", "cluster": "a"},
        {"ticket_by": "shard", "shard": "1", "cluster": "b"},
    ),
    "alerts without a name": ({"alertname": "", "path": "/a"}, {"alertname": "", "path": "/b"}),
    "another lane": ({"lane": "ops"}, {"lane": "tenant"}),
}


@pytest.mark.parametrize("case", SAME)
def test_these_share_a_ticket(case: str) -> None:
    one, other = SAME[case]
    assert key(BASE | one) == key(BASE | other)


@pytest.mark.parametrize("case", OTHERS)
def test_these_never_share_a_ticket(case: str) -> None:
    one, other = OTHERS[case]
    assert key(BASE | one) != key(BASE | other)


LABELS = st.dictionaries(
    st.sampled_from(["pod", "service", "instance", "node", "job", "gpu", "deployment", "queue", "team", "path", "x"]),
    st.sampled_from(["a", "b-0", "kube-state-metrics", "node-exporter", "api-7d9f8b6c5-x2x4q"]),
)


@given(LABELS, st.sampled_from(SCOPE), st.sampled_from(["a", "b"]))
def test_whose_it_is_always_tells_tickets_apart(labels: Labels, scope: str, owner: str) -> None:
    """Whatever other labels an alert has: another namespace, tenant, cluster or team is a stranger."""
    assert key(BASE | labels | {scope: owner}) != key(BASE | labels | {scope: owner + "2"})


@given(st.permutations(sorted({**BASE, "namespace": "a", "pod": "b-0", "tenant": "t"}.items())))
def test_the_order_of_labels_does_not_matter(pairs: list[tuple[str, str]]) -> None:
    assert key(dict(pairs)) == key(dict(sorted(pairs)))


def test_a_models_ticket_is_found_again_by_what_earlier_releases_stored() -> None:
    labels = BASE | {"lane": "retrain", "model": "m", "version": "v1"}
    assert key(labels) == "2fb115817b7335c36d7c884f1fb47b4dd2f203cc59826f61ea11654350757ce1"
