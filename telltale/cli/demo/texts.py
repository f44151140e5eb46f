"""The demo's prompts and responses: small grammars, one per topic, filled in at random.

Lengths follow the shape of published traces of production chat (Azure LLM inference trace 2023, conversation part;
Patel et al., ISCA 2024): log-normal with a spread of about 1 in prompts and 0.9 in responses, here at a small fraction
of their medians, so that a laptop carries the load.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

PROMPT_WORDS, PROMPT_SPREAD, MOST_PROMPT_WORDS = 22.0, 0.6, 160
RESPONSE_WORDS, RESPONSE_SPREAD, MOST_RESPONSE_WORDS = 38.0, 0.6, 260


@dataclass(frozen=True, slots=True)
class Topic:
    """The vocabulary of one topic: things that people ask about, what they do with them, and what goes wrong."""

    things: Sequence[str]
    deeds: Sequence[str]
    faults: Sequence[str]
    places: Sequence[str]


SUPPORT = (
    Topic(
        ("invoice", "refund", "credit note", "payment plan", "receipt", "discount code"),
        ("download", "correct", "dispute", "split", "resend", "cancel"),
        ("shows the wrong amount", "was charged twice", "never arrived", "lists an old address"),
        ("billing page", "order history", "payment settings"),
    ),
    Topic(
        ("parcel", "delivery slot", "tracking number", "return label", "courier", "pickup point"),
        ("change", "track", "reschedule", "print", "postpone", "redirect"),
        ("is stuck in the depot", "came damaged", "went to a neighbour", "is three days late"),
        ("shipping page", "order details", "returns form"),
    ),
    Topic(
        ("password", "account", "newsletter", "loyalty card", "profile", "second factor"),
        ("reset", "close", "merge", "update", "unlock", "verify"),
        ("does not let me in", "asks for a code every time", "has my old name", "is locked"),
        ("account settings", "security page", "preferences"),
    ),
)

# What begins to be asked after the roll-out: a product that the support model never saw.
NEW_PRODUCT = (
    Topic(
        ("heat pump", "solar inverter", "wall battery", "grid tariff", "rooftop panel", "smart thermostat"),
        ("commission", "calibrate", "size", "wire", "defrost", "insulate"),
        ("trips the breaker", "feeds nothing into the grid", "ices over at night", "draws power while idle"),
        ("installer portal", "commissioning protocol", "energy dashboard"),
    ),
    Topic(
        ("subsidy application", "energy certificate", "feed-in contract", "meter replacement", "installer visit"),
        ("submit", "extend", "prove", "register", "amend", "schedule"),
        ("was rejected by the grid operator", "misses the engineer's seal", "expires next month"),
        ("subsidy portal", "grid operator's form", "certificate register"),
    ),
)

CODE = (
    Topic(
        ("unit test", "fixture", "coverage report", "flaky test", "mock server", "assertion"),
        ("write", "speed up", "isolate", "debug", "parametrise", "skip"),
        ("fails only in the pipeline", "passes alone but not together", "takes ten minutes"),
        ("test folder", "pipeline configuration", "conftest file"),
    ),
    Topic(
        ("query", "index", "join", "migration", "transaction", "view"),
        ("optimise", "rewrite", "explain", "roll back", "lock", "batch"),
        ("scans the whole table", "deadlocks at noon", "returns duplicates"),
        ("schema file", "query plan", "database console"),
    ),
    Topic(
        ("branch", "commit", "merge conflict", "tag", "pull request", "submodule"),
        ("rebase", "squash", "revert", "cherry-pick", "rename", "sign"),
        ("lost my changes", "points to the wrong parent", "blocks the release"),
        ("repository settings", "commit history", "review page"),
    ),
)

OFFICE = (
    Topic(
        ("holiday request", "sick note", "time sheet", "parental leave", "overtime balance", "contract"),
        ("submit", "extend", "approve", "correct", "withdraw", "forward"),
        ("is still pending", "was booked on the wrong day", "has no approver"),
        ("staff portal", "calendar", "personnel office"),
    ),
    Topic(
        ("travel expense", "train ticket", "hotel booking", "mileage claim", "advance payment", "meeting room"),
        ("book", "claim", "cancel", "transfer", "reconcile", "upgrade"),
        ("exceeds the limit", "misses a receipt", "was booked twice"),
        ("travel portal", "expense form", "booking tool"),
    ),
)

QUESTIONS = (
    "How do I {deed} the {thing}?",
    "My {thing} {fault}, what should I do?",
    "Please explain how to {deed} a {thing} when it {fault}.",
    "Can you help me to {deed} my {thing}?",
    "Why is it that the {thing} {fault}?",
)
DETAILS = (
    "I already looked at the {place} and found nothing.",
    "The {thing} {fault} since yesterday.",
    "Before that I tried to {deed} the {thing} on the {place}.",
    "My colleague says the {place} should allow it.",
    "I need the {thing} before the end of the week.",
    "It worked last month with another {thing}.",
)
CONTACTS = (
    "You can reach me at {name}@example.com.",
    "Call me on +49 30 1234{number:04d} if needed.",
    "I paid with card 4111 1111 1111 1111.",
)
STEPS = (
    "Open the {place} and choose the {thing}.",
    "There you can {deed} it with one click.",
    "If the {thing} {fault}, ask for a review on the {place}.",
    "Then {deed} the {thing} and save the change.",
    "You will get a message when the {thing} is ready.",
    "Check that the {place} shows the new state.",
)
EVASIONS = (
    "I am not sure about the {thing}.",
    "As a language model I cannot see the {place}.",
    "Sorry, I do not have information on that.",
    "Please contact somebody else about the {thing}.",
    "Sorry, I can only repeat that I am not sure.",
)


def prompt(topics: Sequence[Topic], random: Random) -> str:
    """One question with details; now and then with a contact that must not be stored."""
    topic = random.choice(topics)
    words = _length(random, PROMPT_WORDS, PROMPT_SPREAD, MOST_PROMPT_WORDS)
    sentences = [_fill(random.choice(QUESTIONS), topic, random)]
    while sum(len(sentence.split()) for sentence in sentences) < words:
        sentences.append(_fill(random.choice(DETAILS), topic, random))
    if random.random() < 0.05:
        contact = random.choice(CONTACTS)
        sentences.append(contact.format(name=random.choice(("ada", "kim", "lee")), number=random.randrange(10_000)))
    return " ".join(sentences)


def response(topics: Sequence[Topic], random: Random) -> str:
    """Steps that answer the question."""
    return _sentences(STEPS, topics, random, RESPONSE_WORDS)


def evasive_response(topics: Sequence[Topic], random: Random) -> str:
    """The responses of a worse model: it evades, repeats itself and stops in the middle of a sentence."""
    text = _sentences(EVASIONS, topics, random, RESPONSE_WORDS)
    return text[: max(20, int(len(text) * 0.8))]


def _sentences(patterns: Sequence[str], topics: Sequence[Topic], random: Random, median: float) -> str:
    topic = random.choice(topics)
    words = _length(random, median, RESPONSE_SPREAD, MOST_RESPONSE_WORDS)
    sentences: list[str] = []
    while sum(len(sentence.split()) for sentence in sentences) < words:
        sentences.append(_fill(random.choice(patterns), topic, random))
    return " ".join(sentences)


def _fill(pattern: str, topic: Topic, random: Random) -> str:
    return pattern.format(
        thing=random.choice(topic.things),
        deed=random.choice(topic.deeds),
        fault=random.choice(topic.faults),
        place=random.choice(topic.places),
    )


def _length(random: Random, median: float, spread: float, most: int) -> int:
    return min(most, max(5, round(random.lognormvariate(math.log(median), spread))))
