"""Secrets that are recognised by themselves: keys and tokens as their issuers shape them, private keys."""

from __future__ import annotations

import re

from telltale.redaction.shape import Shape, Span

# `_` is part of a word, and precedes a key in names such as CI_ghp_….
_START = r"(?:\b|_)"
# Cut off by a length limit, a private key has no end line: then it reaches as far as its characters do, lines in
# quotes included, but not past the quote that ends a string of JSON.
_KEY_LINE = r"(?:[A-Za-z0-9+/=:,.() \t\r\n\x01-\x17]|-[^-]|\\+[nrt/\x01-\x17]|[\"'][ \t]*[+\\]?[ \t]*\r?\n[ \t]*[\"'])"
_PRIVATE_KEY = (
    rf"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----{_KEY_LINE}*(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?"
)
_PRIVATE_KEY_END = r"(?:[A-Za-z0-9+/=]{16,}(?:\s|[\x01-\x17]|\\+[nr])*)+-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
# What issuers begin their keys with, by what follows: each has a digit in it.
_ISSUED = (
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,3}",
    # OpenAI, Anthropic, OpenRouter, Langfuse, DeepSeek; Stripe; Toss Payments.
    r"(?:sk|pk)-[A-Za-z0-9_-]{16,}",
    r"(?:sk|pk|rk)_(?:live|test|prod)_[A-Za-z0-9]{8,}",
    r"(?:live|test)_g?[sc]k_[A-Za-z0-9]{16,}",
    # GitHub, GitLab, npm, Hugging Face, Slack, ours.
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"gl(?:pat|dt|rt|ptt|cbt|imt|agent|oas|soat|ffct|ft)-[A-Za-z0-9_-]{16,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"hf_[A-Za-z0-9]{20,}",
    r"xox[abceoprs](?:\.xox[abp])?-[A-Za-z0-9-]{10,}",
    r"tt_[0-9a-f]{8}_[A-Za-z0-9_-]{32,}",
    # AWS: keys of users and roles, tokens of sessions; Google; Azure's application secrets.
    r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[0-9A-Z]{16}",
    r"(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/=%]{30,}",
    r"AIza[A-Za-z0-9_-]{30,}",
    r"1//0[A-Za-z0-9_-]{30,}",
    r"[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,}",
    # SendGrid, Databricks, Mailgun, Mailchimp, Twilio, Telegram, Discord, Kakao, Naver.
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"dapi[0-9a-f]{32}",
    r"key-[0-9a-f]{32}\b",
    r"[0-9a-f]{32}-us\d{1,2}\b",
    r"(?:SK|AC)[0-9a-f]{32}\b",
    r"(?:bot)?\d{8,10}:[A-Za-z0-9_-]{32,}",
    r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}",
    r"KakaoAK[ \t]+[0-9A-Za-z]{16,}",
    r"ncp_iam_[A-Za-z0-9]{16,}",
    # Square, Facebook, Dynatrace, Doppler, Terraform, Airtable, Notion, Postmark's peers.
    r"sq0[a-z]{3}-[A-Za-z0-9_-]{20,}",
    r"EAA[A-Za-z0-9]{60,}",
    r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{32,}",
    r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._]{30,}",
    r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}",
    r"pat[A-Za-z0-9]{14}\.[0-9a-f]{40,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{40,}",
    # Groq, xAI, Perplexity, Replicate, Jina, Stripe's hooks, Linear, Grafana, Shopify, DigitalOcean, LangSmith,
    # Together, Fireworks, Pinecone, PostHog, Sentry, Notion, PlanetScale, Supabase, RubyGems, Docker,
    # Netlify, Tailscale, OpenAI.
    r"(?:gsk_|xai-|pplx-|r8_|jina_|whsec_|lin_api_|gl(?:sa|c)_|shp(?:at|ca|pa|ss)_|do[opr]_v1_|lsv2_(?:pt|sk)_|tgp_v1_"
    r"|fw_|pcsk_|ph[cx]_|sntry[su]_|ntn_|secret_|pscale_(?:tkn|pw|oauth)_|sb[pc]_|sb_secret_|rubygems_|nfp_"
    r"|tskey-[a-z]+-|sess-|HRKU-|NRAK-|dckr_oat_)[A-Za-z0-9]{26,}(?:[_-][A-Za-z0-9]+)?",
    # NVIDIA, Tavily, Vault, Google, Docker, PyPI, Slack's apps, GitLab's triggers, Atlassian, Postman,
    # Figma, 1Password.
    r"(?:nvapi-|tvly-|hv[bs]\.|ya29\.|GOCSPX-|dckr_pat_|pypi-AgE|xapp-|ATATT3|PMAK-|figd_|ops_eyJ|FlyV1 fm2_)"
    r"[A-Za-z0-9_-]{20,}",
)
_HOOKS = (
    r"\b(?:hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/"
    r"|[a-z0-9-]+\.webhook\.office\.com/)"
)
_BEARER = r"(?i)\b(?:bearer|token)[ \t]+([A-Za-z0-9._~+/=-]{16,})"
_URL = r"[A-Za-z][A-Za-z0-9+.-]{1,20}://(?:[^\s/:@]{0,128}:[^\s/@]{1,256}|[A-Za-z0-9_-]{20,128})@"
# A secret key has no shape of its own, but stands beside its id.
_PAIR = r"(?:AKIA|ASIA)[0-9A-Z]{16}[\"']?[ \t]{0,2}[,:;|\t ][ \t]{0,2}[\"']?([A-Za-z0-9/+]{40})\b"


def random(data: bytes, start: int, end: int) -> list[Span]:
    """Random keys contain a digit, or capitals in the middle of words; `sk-learn-documentation` does neither."""
    found = data[start:end]
    is_random = any(48 <= code <= 57 for code in found) or len(_HUMPS.findall(found)) >= 4
    return [(start, end)] if is_random else []


_HUMPS = re.compile(rb"[a-z][A-Z]")


def private(data: bytes, start: int, end: int) -> list[Span]:
    """A private key with a part of its body: prose may mention the line it begins with."""
    found = data[start:end]
    return [(start, end)] if b"-----END" in found or _BODY.search(found) is not None else []


_BODY = re.compile(rb"[A-Za-z0-9+/=]{12}")

KEYS = (
    Shape("secret", _PRIVATE_KEY, private, sign=r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"),
    Shape("secret", _PRIVATE_KEY_END, sign=r"-----END [A-Z0-9 ]*PRIVATE KEY"),
    Shape("secret", _PAIR, random, r"(?:AKIA|ASIA)[0-9A-Z]{16}"),
    Shape("secret", _START + "(?:" + "|".join(_ISSUED) + ")", random),
    Shape("secret", _HOOKS + r"[A-Za-z0-9/_@-]{16,}", random),
    Shape("secret", _BEARER, random),
    Shape("secret", _URL, sign=r"://[^\s/@]*@"),
)
