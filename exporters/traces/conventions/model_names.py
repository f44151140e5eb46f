"""Whose a model's name is: the one that was asked for, or the one that a response said had served it.

Neither is ever guessed from the other. Many frameworks have one attribute for both; what stands in it is the name that
was asked for, unless a response is known to have said otherwise.
"""

from __future__ import annotations

from exporters.traces.conventions.convention import Found


def place(found: Found, name: str | None, asked: str | None, answered: str | None, *, is_answer: bool = False) -> None:
    """Put a name of which its attribute does not say whose it is into the field where it belongs.

    `asked` and `answered` are the names in the request and in the response, where the span holds those; `is_answer`:
    this sender takes the name from responses.
    """
    requested, served = found["model_requested"] or asked, found["model_served"] or answered
    if name is not None and name != requested and served is None and (requested is not None or is_answer):
        served = name
    elif name is not None and requested is None and name != served:
        requested = name
    found["model_requested"], found["model_served"] = requested, served
