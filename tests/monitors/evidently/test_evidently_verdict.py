"""What a report opens with: our verdict, and why Evidently's words below it are another question's answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from monitors.evidently import verdict
from monitors.evidently.exchange import LeftOut, Numbers, Value
from telltale.evidence.explanation import Explanation
from telltale.evidence.scores import Details
from telltale.records import Judged, Score

PAGE = '<html><head></head>\n<body class="a">\n<div id="root"></div><script>"<body>"</script></body></html>'
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def score(state: Judged = "alert", monitor: str = "tokens") -> Score:
    effect = 9.0 if state == "alert" else 1.0
    return Score(monitor, "max_t", "response", "support", "v2", 3600.0, 7200.0, 400, state, effect, 4.0, 0.0012)


def of_tests(detected: Sequence[bool]) -> Numbers:
    values = [Value("ValueDrift", f"c{place}", 0.5, "ks", 0.01, one) for place, one in enumerate(detected)]
    return Numbers(values, (), (400, 2000))


class Tags(HTMLParser):
    """The names of all elements, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def opening(scores: Sequence[Score], numbers: Numbers, lacking: str = "") -> str:
    """What was put into the page."""
    page = verdict.opened_by_ours("" if lacking else PAGE, scores, numbers, lacking)
    return page[page.index("<section") : page.index("</section>")]


def test_it_is_the_first_thing_of_the_page_and_the_rest_is_as_it_was() -> None:
    page = verdict.opened_by_ours(PAGE, [score()], of_tests([False]))
    before, _, rest = page.partition("<style>")
    after = rest.partition("</section>")[2]
    assert before + after == PAGE
    assert before.endswith('<body class="a">')


def test_it_names_series_window_and_every_monitor() -> None:
    text = Tags(opening([score(), replace(score("ok", "topics"), tenant="shop")], of_tests([True]))).text
    for part in ("Telltale: alert", "support", "v2", "responses", "1970-01-01 01:00 to 1970-01-01 02:00 UTC"):
        assert part in text
    assert "400 rows of the window, 2000 of its reference" in text
    assert re.search(r"tokens, max_talert940.0012", text)
    assert "topics, max_tok" in text


@pytest.mark.parametrize("place", ["model", "version", "tenant", "segment", "monitor", "signal"])
def test_whatever_names_say_is_text(place: str) -> None:
    hostile = replace(score(), **{place: SCRIPT})  # type: ignore[arg-type]  # a field of text
    left_out = [LeftOut(SCRIPT, SCRIPT)]
    numbers = Numbers([Value("ValueDrift", SCRIPT, 0.0, SCRIPT, 0.1, True)], left_out, (1, 1))
    found = Tags(opening([hostile], numbers))
    assert not {"script", "img"} & set(found.tags)
    assert SCRIPT in found.text


@pytest.mark.parametrize(
    ("state", "detected", "said"),
    [
        ("alert", [False] * 3, "“drift not detected” for all 3 columns below. That does not contradict the alert."),
        ("suspect", [False] * 3, "That does not contradict what the monitors suspect."),
        ("alert", [True, False], "“drift detected” for 1 of 2 columns below: c0 (ks)."),
        ("ok", [True, False], "for 1 of 2 columns below: c0 (ks). That is no alarm."),
        ("ok", [True, False], "at least one says drift in up to 2% of windows in which nothing changed"),
        ("ok", [False] * 3, "Evidently's tests agree"),
        ("ok", [], "Evidently tested no column for drift here."),
    ],
)
def test_both_sides_are_told_together(state: Judged, detected: list[bool], said: str) -> None:
    assert said in Tags(opening([score(state)], of_tests(detected))).text


def test_a_distance_has_no_rate_of_false_alarms() -> None:
    numbers = Numbers([Value("ValueDrift", "c", 0.2, "jensenshannon", 0.1, True)])
    text = Tags(opening([score("ok")], numbers)).text
    assert "jensenshannon above 0.1" in text
    assert "windows in which nothing changed" not in text


def test_the_worst_state_is_the_heading() -> None:
    assert "Telltale: alert" in opening([score("ok"), score("alert", "topics"), score("suspect")], of_tests([]))


def test_what_changed_is_told_in_a_sentence_of_those_that_see_it() -> None:
    def explained(state: Judged, sentence: str) -> Score:
        return replace(score(state), details=Details(explanation=Explanation(sentence)))

    told = [explained("ok", "No."), explained("suspect", f"Less {SCRIPT}"), explained("alert", "More refunds.")]
    found = Tags(opening(told, of_tests([])))
    assert "img" not in found.tags
    assert found.text.index("Telltale: alert") < found.text.index("More refunds.") < found.text.index(f"Less {SCRIPT}")
    assert "No." not in found.text


def test_without_a_report_the_page_says_why_and_keeps_the_verdict() -> None:
    page = verdict.opened_by_ours("", [score()], Numbers(), "not made within 300 s")
    assert page.startswith("<!DOCTYPE html>")
    text = Tags(page).text
    assert "Telltale: alert" in text
    assert "There is no report of Evidently on this window: not made within 300 s. The verdict stands." in text
    assert "0 rows" not in text


def test_what_is_left_out_is_listed_and_the_list_has_an_end() -> None:
    left_out = [LeftOut(f"column {place}", "no values in the window") for place in range(50)]
    text = Tags(opening([score()], Numbers((), left_out, (1, 1)))).text
    assert "column 19: no values in the window" in text
    assert "column 20" not in text
    assert "And 30 more." in text
