"""What people read: the templates that Alertmanager fills in, from one text in `message.tmpl`. Pure.

Labels and annotations come from outside. Slack would turn `<!channel>` in one into a call to everybody, Teams would
make a link of `[x](y)`; each form makes them harmless in its own way, and HTML is escaped by Alertmanager.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alerting import runbook
from alerting.config.routes import TEST_ALERT
from alerting.intake.notification import TICKET_SEVERITIES
from telltale.settings import Settings

FILE = "telltale.tmpl"
"""Its name beside alertmanager.yml."""
FIND = "/tickets/find"
"""Page that leads from an alert's labels to its ticket."""
# Labels that say who or what is hit; the others are the alert's own.
WHOM = (
    *("model", "model_name", "version", "tenant", "segment", "layer", "slo"),
    *("cluster", "namespace", "service", "pod", "job", "instance", "node", "gpu"),
)
_LINE, _LONG = 300, 900
# Links of others' alerts: what could end the link, or begin another, is left out as a whole.
_ADDRESS = r"https?://[^\\s<>|()\\[\\]\"'\\\\]+"
_FIRST = "{{ $first := index .Alerts 0 }}{{ if .Alerts.Firing }}{{ $first = index .Alerts.Firing 0 }}{{ end }}"
_SPACES = r'reReplaceAll "\\s+" " "'
_SOURCE = Path(__file__).with_name("message.tmpl")


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of message is written. `escape` is a pipeline; the others have `\\1` and `\\2` for their texts."""

    name: str
    escape: str
    bold: str
    link: str
    line: str = "\n"


FORMS = (
    Form("plain", "", r"\1:", r"\1: \2\n"),
    Form(
        "slack",
        'reReplaceAll "&" "&amp;" | reReplaceAll "<" "&lt;" | reReplaceAll ">" "&gt;"',
        r"*\1*",
        r"<\2|\1>",
    ),
    # From 0.30 on Alertmanager reads a detail of PagerDuty's as YAML, and expands again what is no plain text then.
    # One line that begins with a letter, without what YAML would take for a key or a comment, stays what it is.
    Form(
        "pagerduty",
        r'reReplaceAll "^[^\\pL\\pN]+" "" | reReplaceAll ":( |$)" ",$1" | reReplaceAll " +#" "#"',
        r"\1",
        r"\1 \2 ",
        "; ",
    ),
    # A backslash before what Markdown reads as mark-up. Two spaces end a line of it.
    Form("markdown", r'reReplaceAll "([\\\\\\[\\]*_\\x60<>~#|])" "\\$1"', r"**\1**", r"[\1](\2)", "  \n"),
    Form("html", "", r"<strong>\1</strong>", r'<a href="\2">\1</a>', "<br>\n"),
)


def render(settings: Settings) -> str:
    """telltale.tmpl."""
    parts = [_shared(settings), *(_form(form) for form in FORMS)]
    return "{{/* Made by Telltale; written again at the next start. */}}\n" + "\n".join(parts)


def _form(form: Form) -> str:
    text = _body().replace("FORM", form.name).replace(" ACTION", _actions())
    text = re.sub(r"\[\[b:([^\]]*)\]\]", form.bold, text)
    text = re.sub(r"\[\[a:(\w+)\|(.*?)\]\]", form.link, text)
    text = text.replace("[[br]]", form.line)
    text = text.replace("| cut", f'| {_SPACES} | printf "%.{_LINE}s"')
    text = text.replace("| long", f'| {_SPACES} | printf "%.{_LONG}s"')
    return text.replace(" | esc", f" | {form.escape}" if form.escape else "")


@cache
def _body() -> str:
    lines = [line.strip() for line in _SOURCE.read_text().splitlines() if not line.startswith("#")]
    text = "".join(lines).replace("WHOM", "|".join(WHOM)).replace("TICKETED", "|".join(TICKET_SEVERITIES))
    text = text.replace("FIRST", _FIRST).replace("ADDRESS", _ADDRESS).replace("TEST_ALERT", TEST_ALERT)
    return text.replace("{{ end }}{{ define", "{{ end }}\n{{ define") + "\n"


def _shared(settings: Settings) -> str:
    web = _quoted(settings.web_url)
    pairs = (
        "{{ range $number, $pair := .CommonLabels.SortedPairs }}{{ if $number }}&{{ end }}"
        "{{ if lt (len .Value) 200 }}{{ .Name }}={{ .Value | urlquery }}{{ end }}{{ end }}"
    )
    return "\n".join(
        (
            _define("ticket", f"{{{{ {web} }}}}{FIND}?{pairs}"),
            _define("color", _by_severity({"page": "danger", "ticket": "warning"}, "#6c757d", "good")),
            _define("pagerduty.severity", _by_severity({"page": "critical", "ticket": "warning"}, "info")),
            _define("opsgenie.priority", _by_severity({"page": "P1", "ticket": "P3"}, "P5")),
        )
    )


def _actions() -> str:
    """How each alert's runbook begins to mend it, by name."""
    known = [(name, action) for name in runbook.names() if (action := runbook.first_action(name))]
    known.append((TEST_ALERT, "Nothing: this is a test."))
    text = "".join(
        f"{{{{ {'else if' if index else 'if'} eq $name {_quoted(name)} }}}}{{{{ {_quoted(action)} | esc }}}}"
        for index, (name, action) in enumerate(known)
    )
    name, other = "{{ $name := $first.Labels.alertname }}", "{{ else }}Open the runbook or the ticket.{{ end }}"
    return f"{name}{text}{other}"


def _by_severity(words: dict[str, str], other: str, resolved: str = "") -> str:
    chosen = "".join(
        f'{{{{ if eq .CommonLabels.severity "{name}" }}}}{word}{{{{ else }}}}' for name, word in words.items()
    )
    text = f"{chosen}{other}{'{{ end }}' * len(words)}"
    return f"{{{{ if .Alerts.Firing }}}}{text}{{{{ else }}}}{resolved}{{{{ end }}}}" if resolved else text


def _define(name: str, text: str) -> str:
    return f'{{{{ define "telltale.{name}" }}}}{text}{{{{ end }}}}'


def _quoted(text: str) -> str:
    """A Go string."""
    return json.dumps(text, ensure_ascii=False)
