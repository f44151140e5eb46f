"""Planted personal data and secrets do not survive; ordinary text does."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telltale.redaction import PASSES, Redactor, _apply, redact
from telltale.redaction.writing import readable


def wide(text: str) -> str:
    """As Chinese, Japanese and Korean keyboards write it: Unicode's fullwidth forms."""
    return "".join("\N{IDEOGRAPHIC SPACE}" if c == " " else chr(ord(c) + 0xFEE0) for c in text)


PLANTED = [
    ("email", "mina.kim+work@example.co.kr"),
    ("email", "o'brien@xn--bcher-kva.example"),
    ("email", "lee@예시.한국"),
    ("email", "jürgen.müller@firma.example"),
    ("email", "дмитрий.petrov@почта.рф"),
    ("email", "john@m.x.example"),
    ("email", "mina\N{FULLWIDTH COMMERCIAL AT}example.co.kr"),
    ("email", "mina.kim%40example.co.kr"),
    ("email", "nguyễn.trần@example.vn"),
    ("phone", "010-1234-5678"),
    ("phone", "01012345678"),
    ("phone", "02-312-4567"),
    ("phone", "+82 10-1234-5678"),
    ("phone", "+44 20 7946 0958"),
    ("phone", "+14155550123"),
    ("phone", "(415) 555-0123"),
    ("phone", "(415)555-0123"),
    ("phone", "+91 98765 43210"),
    ("phone", "(02)312-4567"),
    ("phone", "02) 312-4567"),
    ("phone", wide("010-1234-5678")),
    ("phone", wide("+82 10 1234 5678")),
    ("phone", "010\N{NON-BREAKING HYPHEN}1234\N{EN DASH}5678"),
    ("phone", "+33\N{NO-BREAK SPACE}1\N{NARROW NO-BREAK SPACE}42 68 53 00"),
    ("phone", "020 7946 0958"),
    ("phone", "0161 496 0000"),
    ("phone", "01 42 68 53 00"),
    ("phone", "01.42.68.53.00"),
    ("phone", "0171 1234567"),
    ("phone", "030/901820"),
    ("phone", "(020) 7946 0958"),
    ("phone", "03-1234-5678"),
    ("phone", "090-1234-5678"),
    ("card", "4111 1111 1111 1111"),
    ("card", "4111111111111111"),
    ("card", "3782-822463-10005"),
    ("card", "6011000990139424"),
    ("card", wide("4111 1111 1111 1111")),
    ("card", "4111\N{NO-BREAK SPACE}1111\N{NO-BREAK SPACE}1111\N{NO-BREAK SPACE}1111"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "no9386011117947"),
    ("iban", "DE89 3704 0044 0532 0130 00".replace(" ", "\N{NO-BREAK SPACE}")),
    ("kr_rrn", "900101-1234567"),
    ("kr_rrn", "051225-3123456"),
    ("kr_rrn", "900101\N{EN DASH}1234567"),
    ("kr_rrn", wide("900101-1234567")),
    ("us_ssn", "078-05-1120"),
    ("us_ssn", "078\N{EN DASH}05\N{EN DASH}1120"),
    ("ip", "192.168.10.7"),
    ("ip", "2001:db8::8a2e:370:7334"),
    ("ip", "::ffff:10.1.2.3"),
    ("ip", "fe80::1"),
    ("ip", "2a00:1450:4864:20::135"),
    ("ip", "::1"),
    ("secret", "sk-proj-4f9Kd83jLm2Qx7Tz1Vb5"),
    ("secret", "sk-ant-api03-Zk29fjw83kfLq0_dkw9"),
    ("secret", "sk_live_51Hc8sKJd93kfl2L"),
    ("secret", "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
    ("secret", "github_pat_11ABCDEFG0aBcDeFgHiJkL"),
    ("secret", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "xoxb-123456789012-abcDEF"),
    ("secret", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"),
    ("secret", "tt_0a1b2c3d_" + "aZ09_-xy" * 5),
    ("secret", "hf_abcdefghij0123456789KLMN"),
    ("secret", "Bearer abcdefghijklmnop0123"),
    ("secret", "gsk_" + "a1B2c3D4e5" * 5),
    ("secret", "xai-" + "a1B2c3D4e5" * 8),
    ("secret", "pplx-" + "a1B2c3D4e5" * 5),
    ("secret", "r8_" + "a1B2c3D4e5" * 3 + "abcdefg"),
    ("secret", "nvapi-" + "a1B2c3D4e5_-" * 5),
    ("secret", "tvly-dev-" + "a1B2c3D4e5" * 3),
    ("secret", "lsv2_pt_" + "0a1b2c3d" * 4 + "_0a1b2c3d4e"),
    ("secret", "glsa_" + "a1B2c3D4" * 4 + "_0a1b2c3d"),
    ("secret", "hvs." + "CAESIJ1B2c3D4e5_-a1B2c3D4e5"),
    ("secret", "ya29.a0AfH6SMBx_-1B2c3D4e5a1B2c3D4e5"),
    ("secret", "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"),
    ("secret", "dapi" + "0a1b2c3d" * 4),
    ("secret", "shpat_" + "0a1b2c3d" * 4),
    ("secret", "dop_v1_" + "0a1b2c3d" * 8),
    ("secret", "pypi-AgEIcHlwaS5vcmcCJDA0NTY3ODkw"),
    ("secret", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("secret", 'AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
    ("secret", "AccountKey=" + "a1B2c3D4e5/+" * 7 + "Zw=="),
    ("secret", '{\\"Authorization\\": \\"Basic QWxhZGRpbjpvcGVuc2VzYW1l'),
    ("secret", "Authorization: Basic QWxhZGRpbjpvcGVuc2VzYW1l"),
    ("secret", "postgresql://admin:hunter2@"),
    ("secret", "CI_ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
    ("secret", "OPENAI_sk-proj-4f9Kd83jLm2Qx7Tz1Vb5"),
    ("secret", "old_AKIAIOSFODNN7EXAMPLE"),
    ("secret", "password=hunter2"),
    ("secret", 'DB_PASSWORD": "s3cr3t-Passw0rd!'),
    ("secret", "Server=db;User Id=sa;Pwd=Tiger1scott"),
    ("secret", "passphrase: correct7horse"),
    ("secret", "api_key = 9f8e7d6c5b4a39281706"),
    ("secret", 'client-secret": "a1B2c3D4e5a1B2c3D4e5'),
    ("secret", "access_token=ya30-a1B2c3D4e5F6g7H8"),
    ("secret", "-----BEGIN RSA PRIVATE KEY-----\nMIIB-x\n-----END RSA PRIVATE KEY-----"),
    ("secret", "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBgkq"),
    ("secret", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF-x\n-----END PGP PRIVATE KEY BLOCK-----"),
    ("secret", "https://hooks.slack.com/services/T0000000A/B0000000B/a1B2c3D4e5a1B2c3D4e5"[8:]),
    ("secret", "xapp-1-A012ABCDEF-1234567890123-0a1b2c3d"),
    ("secret", 'SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
]
HARMLESS = [
    "Order 1234567890123456 is late",
    "since 1701231234567 ms",
    "version 1.2.3, chapter 10.2.3.400, std::vector<int> at 12:30:45",
    "scikit-learn and sk-learn-documentation-pages",
    "xai-methods-for-explainable-models-2026, a pypi-publish-action-version-2-for-everyone",
    "gsk_learn_2_fast_and_slow_is_long, a nvapi-rest and jina_embeddings_v2_base_en",
    "authorization: basic and advanced; the account key = none yet, aws_secret_access_key is unset",
    "0.4221165755827173, 0.5412398765432104, x = a+1000000, +27.61099044, lodash@4.17.21",
    "arr[::2], x[1::2], OID 1.3.6.1.4.1.311.21.20, CUDA 12.4.1.105.3, Chrome/120.0.0.0, 20250103040140",
    "SU57 region ten branch region in and yet it board at, 20240115093000, rows 4 1111 1111 1111 111",
    "call f(x, y) = 3.14159 * 42; 2026-11-23T21:20:00Z",
    "e-mail me @ noon; a@b",
    "GB00WEST12345698765432 has a wrong check",
    "loss 0.0212345678, then 0.01012345678",
    "CONSTRAINT pk_orders_2024_items_by_day",
    "abc::def and Face::Bad() or a::b",
    "서울의 인구는 9,400,000명입니다",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736",
    "password: at least 8 characters, the password is wrong, PWD=/home/user1/src, password = None",
    "token=tokens[0], api_key=os.environ['KEY_1'], password=get(p1), $password=$1, access token 2",
    "on 05.12.2024 10:30, 04/11/2024 16:30, 01-02-2024 and 01.02.03.04.05.06",
    "00 01 02 03 04 05 06 07, 0.05 1200 3400, 0,05 1234 5678, 0100-0200-0300",
    "in den Jahren 2019\N{EN DASH}2021, 100 000 000 km",
    wide("2024") + "年" + wide("12") + "月" + wide("31") + "日、" + wide("1,234") + "円",
    "hdl.handle.net/11858/00-001M-0000-0013-557A-5, ref 2024-0301-2345-678, secret_key = s3_example_simple",
    "auth_token = base64.b64encode(value), password = utf8_to_utf16(v)",
    "step 0001/000200, epoch 001/100000, frame 00012-000345, 0000 000 000, 001 0002 0003",
    "glob */%40*, 100%40 and a + 40",
]


@pytest.mark.parametrize(("kind", "secret"), PLANTED)
@pytest.mark.parametrize("around", ["{}", "my number: {}, thanks", "전화{}번", '{{"v":"{}"}}', "<{}>\n", "k:\\n{}\\tx"])
def test_planted_data_is_replaced_by_its_kind(kind: str, secret: str, around: str) -> None:
    text, counts = redact(around.replace("{{", "{").replace("}}", "}").replace("{}", secret))

    assert secret not in text
    assert f"[{kind.upper()}]" in text
    assert counts[kind] >= 1


def test_a_number_in_a_numbered_list_is_no_fraction() -> None:
    assert redact("1.010-1234-5678")[0] == "1.[PHONE]"


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_stays(text: str) -> None:
    assert redact(text) == (text, {})


def test_several_kinds_are_counted_apart() -> None:
    text, counts = redact("a@b.example, c@d.example and 192.168.0.1")

    assert text == "[EMAIL], [EMAIL] and [IP]"
    assert counts == {"email": 2, "ip": 1}


def test_digits_beside_a_card_stay_and_do_not_hide_it() -> None:
    assert redact("4111 1111 1111 1111 123") == ("[CARD] 123", {"card": 1})
    assert redact("4111 1111 1111 1111 5500 0000 0000 0004")[0] == "[CARD] [CARD]"


def test_words_after_an_iban_stay() -> None:
    assert redact("GB82 WEST 1234 5698 7654 32 please pay")[0] == "[IBAN] please pay"


@pytest.mark.parametrize("slashes", [1, 2])
def test_escaped_text_is_seen(slashes: int) -> None:
    escaped = "mina" + "\\" * slashes + "u0040example.com"

    assert redact(escaped) == ("[EMAIL]", {"email": 1})


def test_json_stays_json() -> None:
    body = json.dumps({"to": "김@example.com", "quote": 'a "b" \\ c\n\u2028'})
    body = body.replace("b", "\\u0062").replace(" c", "\\u0022")

    text, counts = redact(body)

    assert counts == {"email": 1}
    assert set(json.loads(text)) == {"to", "quote"}


def test_custom_rules_run_first() -> None:
    text, counts = redact("badge E-12345 of mina@example.com", {"badge": r"E-\d{5}"})

    assert text == "badge [BADGE] of [EMAIL]"
    assert counts == {"badge": 1, "email": 1}


@pytest.mark.parametrize("expression", ["(", r"(?=x)", "x*"])
def test_bad_custom_rule_names_its_key(expression: str) -> None:
    with pytest.raises(ValueError, match=r"redaction\.rules\.mine"):
        Redactor({"mine": expression})


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_text_comes_back_as_storable_text(text: str) -> None:
    redacted, _ = redact(text)

    redacted.encode("utf-8")
    assert "\0" not in redacted


@given(st.text(), st.sampled_from(PLANTED), st.text())
def test_planted_data_never_survives_between_any_words(before: str, planted: tuple[str, str], after: str) -> None:
    redacted, counts = redact(f"{before}\n{planted[1]}\n{after}")

    assert planted[1] not in redacted
    assert sum(counts.values()) >= 1


PIECES = st.lists(st.sampled_from([secret for _, secret in PLANTED] + HARMLESS + ["b1", "1b", "", "\n"]), max_size=3)


@given(st.lists(PIECES.map("".join), max_size=4), st.sampled_from([{}, {"ends": "^b1|1b$"}]))
def test_several_texts_at_once_become_what_each_becomes_alone(texts: list[str], rules: dict[str, str]) -> None:
    together, counts = Redactor(rules).redact(*texts)

    alone = [redact(text, rules) for text in texts]
    assert together == [text for text, _ in alone]
    assert counts == sum((Counter(found) for _, found in alone), Counter())


@pytest.mark.parametrize(
    ("before", "rules"), [("AKIAIOSFODNN7EXAMPLE", {}), ("b1", {"mine": "b1"})], ids=["built in", "custom"]
)
def test_what_stood_inside_a_word_until_something_before_it_went_is_seen(before: str, rules: dict[str, str]) -> None:
    text, counts = redact(f"{before}DE89 3704 0044 0532 0130 00", rules)

    assert "3704" not in text
    assert counts["iban"] == 1


FRAGMENTS = ["@", "://", ":", "/", "a", "Zz", "9", "12", ".", "-", " ", "\n", "_", "+", "é", "한", "https", "a1@b2.co"]


@given(st.lists(st.sampled_from(FRAGMENTS + [secret for _, secret in PLANTED]), max_size=12).map("".join))
# A space that RE2 does not treat as one: text between two of them hid an address with a password.
@example("ab://u:\N{NO-BREAK SPACE}Bearer abcdefghijklmnop0123\N{NO-BREAK SPACE}@")
def test_the_first_look_passes_over_nothing_that_a_rule_finds(text: str) -> None:
    redactor = Redactor()
    [redacted], counts = redactor.redact(text)

    expected, removed = readable(text).encode(), dict[str, int]()
    for rule in redactor._rules * PASSES:
        expected, _ = _apply(rule, expected, removed)
    # Where nothing is found a text stays as it was written.
    assert (redacted, counts) == (expected.decode() if removed else text, removed)


@given(st.lists(st.sampled_from([secret for _, secret in PLANTED] + HARMLESS), max_size=6))
def test_redacting_twice_changes_nothing_more(parts: list[str]) -> None:
    once, _ = redact("; ".join(parts))

    assert redact(once) == (once, {})


@given(st.ip_addresses())
def test_any_address_is_removed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    text, _ = redact(f"from {address} to here")

    assert str(address) not in text or not int(address)


def test_long_hostile_text_is_finished() -> None:
    for unit in ("a@", "1-", "::", "4111 ", "GB82 ", "+1", "\\u0061", "eyJ", "a:b@", "-----BEGIN "):
        redact(unit * 50_000)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ('{"a": "k:\\nmina@example.com"}', '{"a": "k:\\n[EMAIL]"}'),
        ('{"a": "\\npostgres://u:p4ss@db\\r"}', '{"a": "\\n[SECRET]db\\r"}'),
        ('"import x\\n\\n@app.route(1)\\n@pytest.fixture"', '"import x\\n\\n@app.route(1)\\n@pytest.fixture"'),
        ("C:\\new\\table\\x \x01\x02", "C:\\new\\table\\x \x01\x02"),
        ("In FY24 we paid DE89 3704 0044 0532 0130 00 twice", "In FY24 we paid [IBAN] twice"),
        ("DE89370400440532013000 GB82WEST12345698765432", "[IBAN] [IBAN]"),
        ("from mx ([IPv6:2a00:1450:4864:20::135])", "from mx ([IPv6:[IP]])"),
        ("ping: 2001:db8::1: No route to host", "ping: [IP]: No route to host"),
        ("client:2001:db8::1 and client:fe80::1:22", "client:[IP] and client:[IP]"),
    ],
)
def test_adjacent_text_is_distinguished(text: str, cleaned: str) -> None:
    assert redact(text)[0] == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        # The name is kept: without it JSON is invalid, and nobody knows what was removed.
        ('{"user": "bob", "password": "hunter22"}', '{"user": "bob", "password": "[SECRET]"}'),
        ('{"k": 1, "api_key": "9f8e7d6c5b4a39281706"}', '{"k": 1, "api_key": "[SECRET]"}'),
        ('{"Authorization": "Basic YWJjZGVmOmdoaQ=="}', '{"Authorization": "Basic [SECRET]"}'),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [SECRET]"),
        ('{"env": "DB_PASSWORD=hunter22\\nDB_HOST=db\\nA=b"}', '{"env": "DB_PASSWORD=[SECRET]\\nDB_HOST=db\\nA=b"}'),
        ('{"m": "password: hunter22\\n(change it)"}', '{"m": "password: [SECRET]\\n(change it)"}'),
        ("password: hunter22(임시), password=P@ssw0rd!2024(old)", "password: [SECRET](임시), password=[SECRET](old)"),
        ("Enter password: \nlogin1: bob", "Enter password: \nlogin1: bob"),
        ("17,020 7946 0958,Bob\n17,0171 1234567", "17,[PHONE],Bob\n17,[PHONE]"),
        ("0171/1234567,0171/1234567", "[PHONE],[PHONE]"),
        ("I called 020 7946 0958 3 times; Tel. 01 42 68 53 00 24h", "I called [PHONE] 3 times; Tel. [PHONE] 24h"),
        ("75001 01 42 68 53 00", "75001 [PHONE]"),
        ("bob.smith%2Bnews%40example.com", "[EMAIL]"),
    ],
)
def test_what_stands_around_a_secret_stays(text: str, cleaned: str) -> None:
    assert redact(text)[0] == cleaned
    assert redact(cleaned)[0] == cleaned


@pytest.mark.parametrize("space", ["\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{FIGURE SPACE}"])
def test_spaces_that_json_escapes_are_spaces(space: str) -> None:
    for kind, secret in (("phone", "06 12 34 56 78"), ("card", "4111 1111 1111 1111"), ("phone", "03-1234-5678")):
        text, counts = redact(json.dumps({"v": f"{space}{secret.replace(' ', space)}"}))
        assert json.loads(text) == {"v": f"{space}[{kind.upper()}]"}
        assert counts == {kind: 1}
    text, _ = redact(json.dumps({"v": f"{space}sk-proj-abc123def456ghi789jkl {space}bob@example.com"}))
    assert json.loads(text) == {"v": f"{space}[SECRET] {space}[EMAIL]"}


def test_endless_backslashes_take_no_longer() -> None:
    """They took a second at 40,000 and ten minutes at a million."""
    text = "\\" * 1_000_000 + " \\u"
    assert redact(text) == (text, {})


MORE = [
    ("kr_rrn", "주민번호 9001011234567"),
    ("kr_rrn", "900101 - 1234567"),
    ("kr_rrn", ".900101-1234567"),
    ("kr_rrn", "주민등록번호 900101.1234567"),
    ("driver_license", "11-22-123456-78"),
    ("passport", "여권번호: M12345678"),
    ("passport", "passport no. M123A4567"),
    ("business_number", "사업자등록번호 1234567890"),
    ("bank_account", "국민은행 계좌 123456-04-123456"),
    ("bank_account", "account number: 000123456789"),
    ("plate", "12가3456"),
    ("phone", "82-10-1234-5678"),
    ("phone", "call me at 4155550123"),
    ("us_itin", "ITIN 912701234"),
    ("passport", "my passport no. is 123456789"),
    ("bank_account", "bank account no. 000123456789"),
    ("bank_account", "What is your account number? 000123456789"),
    ("business_number", "사업자등록번호: 8558636178"),
    ("us_ssn", "SSN 078051120"),
    ("card", "4111.1111.1111.1111"),
    ("card", "4111 - 1111 - 1111 - 1111"),
    ("email", "mina (at) example [dot] com"),
    ("email", "mina&#64;example.com"),
    ("secret", "비밀번호: hunter22"),
    ("secret", "<password>hunter22</password>"),
    ("secret", "curl -u deploy:hunter22 https://x.example"),
    ("secret", "https://b.example/f?X-Amz-Signature=0a1b2c3d4e5f"),
    ("secret", "Cookie: sid=a1b2c3d4e5; theme=dark"),
    ("secret", "https://a.example/?access_token=a1b2c3d4"),
]


@pytest.mark.parametrize(("kind", "line"), MORE)
def test_what_a_word_or_a_shape_announces_is_removed(kind: str, line: str) -> None:
    text, counts = redact(line)

    assert f"[{kind.upper()}]" in text
    assert counts == {kind: 1}


@pytest.mark.parametrize(
    "line",
    [
        "version 10.4.2.1",
        "git clone git@github.com:org/app.git",
        "scp a deploy@web1.example.com:/srv/app",
        "barcode 8801234567893",
        "icon@2x.png, q@k.transpose(1)",
        "12조3456억",
        "wB50+KeyP1smz8eoA9kTYvLOx8RzfUwL/wg9rEYmN2WbeJ8Wz8JAKOu1Un7yK24nS9A+Wn++SOVP",
        "tk1Y9pSw/IDZeuyOSs9+/N15u1AAhhvCbpJnMeawGKfmSpVpCpSIwZP+Y61cxPJaSLkLVabuDfrp",
        "shape 4123 2345 3456 4567 5678",
        "법인등록번호가 뭔가요? Unix time 1790000000 is in 2026",
        "여권은 없어요. 주문번호는 123456789 입니다",
        "What is a passport? Order 123456789 is late",
        "계좌번호를 모릅니다! 20261130004417123",
    ],
)
def test_what_only_looks_private_stays(line: str) -> None:
    assert redact(line) == (line, {})


@pytest.mark.parametrize("depth", [0, 1])
def test_a_number_removed_from_json_leaves_it_valid(depth: int) -> None:
    body = json.dumps({"card": 4111111111111111, "n": [1, 4111111111111111], "t": "a, 4111111111111111, b"})
    for _ in range(depth):
        body = json.dumps({"arguments": body})

    found = json.loads(redact(body)[0])
    for _ in range(depth):
        found = json.loads(found["arguments"])
    assert found == {"card": "[CARD]", "n": [1, "[CARD]"], "t": "a, [CARD], b"}


@pytest.mark.parametrize(
    "text",
    [
        r're.compile("[\u4e00-\u9fff]")',
        r'{"a": "\u00e9"}',
        "\uff11\uff12\uff13\uff14\uff15\uff16\uff17 \uff1a",
        r"C:\users\u0041",
        "zero\u200bwidth",
    ],
)
def test_what_has_nothing_to_remove_stays_as_it_was_written(text: str) -> None:
    """Code is written in escapes too, and a model learns from it."""
    assert redact(text) == (text, {})
    [kept, cleaned], counts = Redactor().redact(text, r"a\u0040example.com")
    assert (kept, cleaned, counts) == (text, "[EMAIL]", {"email": 1})
