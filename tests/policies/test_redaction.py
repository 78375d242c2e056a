"""How secrets are replaced: placeholders, overlaps, context, linear time; and what must be left alone."""

from __future__ import annotations

import base64
import hashlib
import random
import time
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st
from tests.policies.conftest import PASSWORDS, contexts, fill, templates_of

from memento_policies import Policy, Redaction, load_policy

Fake = Callable[[str, int], str]
POLICY = load_policy()

BENIGN = """
The password is required. Your token expired, please log in again.
I forgot my password yesterday, and the secret to good bread is time.
password: str = Field(min_length=8)
def login(user: str, password: str | None = None) -> Token: ...
token = get_token(request.headers["Authorization"])
api_key = os.environ["OPENAI_API_KEY"]
apiKey: process.env.STRIPE_SECRET_KEY,
const secret = config.get("auth.secret");
PASSWORD=${DB_PASSWORD}
export GITHUB_TOKEN=$(gh auth token)
TOKEN=<your-token>
API_KEY=changeme
AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
Authorization: Bearer <token>
Authorization: Bearer $TOKEN
curl -H "Authorization: Bearer ${ACCESS_TOKEN}" https://api.internal/v1/users
postgresql://user:password@localhost:5432/db
postgres://postgres:postgres@localhost/test
mysql://root:${MYSQL_ROOT_PASSWORD}@db/app
https://example.com:8080/path?user=a@b.c
See https://docs.python.org/3/library/secrets.html#secrets.token_hex for tokens.
max_tokens: 4096, total_tokens=18234, prompt_tokens: 912
MAX_TOKENS=4096
TOKEN_LIMIT=200000
PASSWORD_MIN_LENGTH=12
SECRET_KEY_FILE=/run/secrets/django_key
tokenizer = AutoTokenizer.from_pretrained("sentence-transformers/all-MiniLM-L6-v2")
private_key_path: ~/.ssh/id_ed25519
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEx7 ann@laptop
secretKeyRef: {name: db-credentials, key: password}
"credentials": "include"
the token bucket refills at 10 per second
passwd:x:1000:1000::/home/ann:/bin/bash
if password == confirm_password:
assert response.json()["access_token"] is not None
secrets.compare_digest(token, expected_token)
class PasswordResetTokenGenerator(BaseTokenGenerator):
from django.contrib.auth.hashers import make_password, check_password
git commit -m "Rotate the signing key" && git push origin feature/auth-token-refresh
sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
-rw-r--r-- 1 ann ann 1679 Nov 22 10:02 server.key
error: invalid value 'foo' for '--token <TOKEN>'
Usage: tool --password <PASSWORD> --user <USER>
docker run -e POSTGRES_PASSWORD=postgres -p 5432:5432 postgres:16
Set-Cookie: theme=dark; Path=/; HttpOnly
"integrity": "sha512-+4pzqhXJ6sGGvgkCFoS1tnIpk7sGGvgkCFoS1tnIpk7w4xq0zqkKQ=="
npm_config_registry=https://registry.npmjs.org/
The key-value store keeps key-1 and key-2; sk-learn and task-list are not secrets.
Use pytest -p no:cacheprovider and mysql -u root -p
keyboard shortcuts: Ctrl+K, secret menu: hold shift
""".strip().splitlines()


def generated_benign(rng: random.Random) -> list[str]:
    """Hashes, identifiers and encoded files: random, and no secrets."""
    lines = []
    for _ in range(60):
        raw = rng.randbytes(600)
        lines += [
            f"commit {hashlib.sha1(raw).hexdigest()}",
            f"Merge {hashlib.sha1(raw).hexdigest()[:7]} into main, see {uuid.UUID(bytes=raw[:16])}",
            f"request_id={uuid.UUID(bytes=raw[16:32])} took {raw[0]} ms",
            f"sha256sum: {hashlib.sha256(raw).hexdigest()}  dist/memento.whl",
            f'md5 {hashlib.md5(raw).hexdigest()} etag W/"{hashlib.md5(raw).hexdigest()}"',
            f"![shot](data:image/png;base64,{base64.b64encode(raw).decode()})",
            f"v{raw[0]}.{raw[1]}.{raw[2]} built at 2026-11-{raw[3] % 28 + 1:02d}T10:00:00Z by runner-{raw[4]}",
        ]
    return lines


def test_benign_text_is_left_alone(policy: Policy) -> None:
    lines = BENIGN + generated_benign(random.Random(3))
    wrong = [line for line in lines if policy.redact(line).counts]
    assert len(lines) > 450
    assert len(wrong) <= len(lines) * 0.005, wrong


def test_hand_written_benign_lines_are_all_left_alone(policy: Policy) -> None:
    assert {line: policy.redact(line).text for line in BENIGN} == {line: line for line in BENIGN}


def test_context_stays_readable(policy: Policy, fake: Fake) -> None:
    token = fake("github_token", 0)
    redacted = policy.redact(f"Use `{token}` for the CI, and {token} again.")
    assert redacted == Redaction("Use `[REDACTED:github]` for the CI, and [REDACTED:github] again.", {"github": 2})


def test_only_the_password_of_a_connection_string_goes(policy: Policy) -> None:
    redacted = policy.redact("DATABASE_URL=postgres://app:" + "h7Gq" + "p2Zx@db.internal:5432/orders?sslmode=require")
    assert (
        redacted.text
        == "DATABASE_URL=postgres://app:[REDACTED:connection_password]@db.internal:5432/orders?sslmode=require"
    )


def test_overlapping_secrets_become_one_of_the_more_specific_kind(policy: Policy, fake: Fake) -> None:
    redacted = policy.redact(f"Authorization: Bearer {fake('jwt', 0)}\nGITHUB_TOKEN={fake('github_token', 0)}")
    assert redacted.text == "Authorization: Bearer [REDACTED:jwt]\nGITHUB_TOKEN=[REDACTED:github]"


def test_private_key_without_its_end(policy: Policy, fake: Fake) -> None:
    whole = fake("private_key_block", 0)
    cut = whole[: len(whole) // 2]
    assert policy.redact(f"my key:\n{cut}").text == "my key:\n[REDACTED:private_key]"
    numbered = "\n".join(f"{n:6d}\t{line}" for n, line in enumerate(whole.splitlines(), 1))
    assert policy.redact(numbered + "\nThen restart it.").text == "     1\t[REDACTED:private_key]\nThen restart it."
    assert policy.redact(f"a\n{whole}\nb").text == "a\n[REDACTED:private_key]\nb"
    diff = "\n".join(f"+{line}" for line in whole.splitlines())
    assert policy.redact(diff).text == "+[REDACTED:private_key]"


def test_public_key_and_certificate_stay(policy: Policy) -> None:
    body = base64.b64encode(random.Random(1).randbytes(300)).decode()
    text = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\n{body}"
    assert policy.redact(text).counts == {}


def test_checksum_decides(policy: Policy, fake: Fake) -> None:
    wif = fake("bitcoin_wif", 0)
    flipped = wif[:-1] + ("a" if wif[-1] != "a" else "b")
    assert policy.redact(wif).counts == {"private_key": 1}
    assert "private_key" not in policy.redact(flipped).counts


@pytest.mark.parametrize("token", ["ghp_" + "a" * 36, "AKIA" + "A" * 16, "ghp_" + "your-token-here" * 3])
def test_placeholders_stay(policy: Policy, token: str) -> None:
    assert policy.redact(token).counts == {}


def test_unclean_text_is_made_writable(policy: Policy) -> None:
    assert policy.redact("a\0b\ud800c\ud83d\ude00").text == "a\ufffdb\ufffdc\U0001f600"


def test_everything_is_scanned_and_time_is_linear(policy: Policy, fake: Fake) -> None:
    filler = "lorem ipsum dolor sit amet, consectetur 12345 adipiscing elit.\n" * 16384
    text = filler + fake("slack_token", 0) + filler
    assert policy.redact(text).counts == {"slack": 1}
    hostile = ["-----BEGIN PRIVATE KEY-----" * 20000, "a=password=" * 50000, "://a:" * 100000, "curl -u a" * 60000]
    started = time.perf_counter()
    for part in hostile:
        policy.redact(part)
    assert time.perf_counter() - started < 5


PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["password=", "token: ", "Bearer ", '"', "'", "\\n", "[REDACTED:github]", "[REDACTED:", "]", "://a:", "@h"]
    ),
    st.builds(lambda seed: "ghp_" + random.Random(seed).randbytes(18).hex(), st.integers(0, 9)),
    st.builds(lambda seed: "AKIA" + "".join(random.Random(seed).choices("QZXWVKJY234567", k=16)), st.integers(0, 9)),
    st.builds(lambda seed: base64.b64encode(random.Random(seed).randbytes(15)).decode(), st.integers(0, 9)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=10).map("".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = POLICY.redact(text)
    twice = POLICY.redact(once.text)
    assert twice == Redaction(once.text, {})


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=200))
def test_any_text_becomes_valid_utf8_without_nul(text: str) -> None:
    redacted = POLICY.redact(text).text
    assert "\0" not in redacted.encode().decode()


def test_secrets_are_found_in_every_context(policy: Policy) -> None:
    rng = random.Random(11)
    missed: list[str] = []
    tried = 0
    for kind, context in contexts():
        for number in range(5):
            secret = fill(PASSWORDS[number] if kind == "password" else "ghp_{a36}" if kind == "token" else "{pem}", rng)
            text = context.replace("§", secret)
            redacted = policy.redact(text).text
            tried += 1
            if any(line in redacted for line in secret.splitlines()):
                missed.append(text)
            assert policy.redact(redacted).text == redacted, text
    assert len(missed) <= tried * 0.005, missed


def test_lines_without_a_secret_are_left_alone(policy: Policy) -> None:
    rng = random.Random(12)
    lines = [fill(template, rng) for template in templates_of("benign_shapes.txt") for _ in range(8)]
    wrong = [line for line in lines if policy.redact(line).counts]
    assert len(lines) >= 1000
    assert len(wrong) <= len(lines) * 0.005, wrong


@pytest.mark.parametrize("value", ["admin-8473629", "test20918273", "abc-77889900", "root_4829175501"])
def test_a_word_before_a_long_number_is_no_placeholder(policy: Policy, value: str) -> None:
    """Any number was one or two digits, again and again: `ABC-[0-9]{6}` as a user's own rule redacted nothing."""
    assert value.split()[0] not in policy.redact(f'password = "{value}"').text


@pytest.mark.parametrize("part", ["<", "example", "xxxx", "12345678", "changeme", "your-", "{{", "fake"])
def test_a_placeholder_is_the_whole_value(policy: Policy, fake: Fake, part: str) -> None:
    rng = random.Random(part)
    key = fake("private_key_block", 0).splitlines()
    assert policy.redact("\n".join([*key[:3], part, *key[3:]])).text == "[REDACTED:private_key]"
    if part.isalnum():
        token = fill("ghp_{a20}", rng) + part + fill("{a20}", rng)
        assert policy.redact(f"use {token} now").text == "use [REDACTED:github] now"
    password = fill("{a8}", rng) + part.strip("{<") + fill("{a8}", rng)
    assert password not in policy.redact(f'password = "{password}"').text


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-your-api-key-here", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "API_KEY=your_api_key_123",
        "TOKEN=<token>",
        'password: "changeme123"', "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "password = get_password(user, 12)", "secret := os.Getenv(name2)", "token = await client.fetchToken3(id)",
    ],
)  # fmt: skip
def test_placeholders_and_code_are_no_values(policy: Policy, text: str) -> None:
    assert policy.redact(text).text == text


PREFIXES: dict[str, Callable[[int, str], str]] = {
    "grep": lambda n, line: f"etc/server.key:{n}:{line}",
    "log": lambda _, line: f"2026-03-01T12:00:01.123Z INFO  [worker-3] {line}",
    "compose": lambda _, line: f"web_1  | {line}",
    "blame": lambda n, line: f"^a1b2c3d4 (Ann Example 2026-03-01 12:00:00 +0000 {n:3}) {line}",
    "concatenation": lambda _, line: f'    "{line}\\n" +',
    "diff": lambda _, line: f"+{line}",
    "mail": lambda _, line: f"> {line}",
    "numbers": lambda n, line: f"{n:6}\t{line}",
    "nothing": lambda _, line: line,
}
PARTS: dict[str, slice] = {
    "whole": slice(None), "without its end": slice(0, -1), "without its beginning": slice(1, None),
    "its last lines": slice(4, None), "its middle": slice(2, 6),
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_private_keys_behind_prefixes_and_in_parts(policy: Policy, fake: Fake, prefix: str, part: str) -> None:
    key = fake("private_key_block", 4).splitlines()
    lines = [PREFIXES[prefix](number, line) for number, line in enumerate(key, 1)][PARTS[part]]
    redacted = policy.redact("see:\n" + "\n".join(lines) + "\nThen restart it.").text
    assert [line for line in key[1:-1] if line in redacted] == []
    assert redacted.startswith("see:")
    assert redacted.endswith("Then restart it.")
    assert policy.redact(redacted).counts == {}


def test_private_keys_wrapped_in_base64(policy: Policy, fake: Fake) -> None:
    wrapped = base64.b64encode(fake("private_key_block", 4).encode()).decode()
    lines = [wrapped[at : at + 76] for at in range(0, len(wrapped), 76)]
    assert policy.redact("\n".join(lines)).text == "[REDACTED:private_key]"
    assert policy.redact(f"tls.key: {wrapped}").text == "tls.key: [REDACTED:private_key]"


HIDDEN = ["\u200b", "\u2060", "\ufeff", "\u00ad", "\x1b[31m", "\x1b[0m", "\\u200b", "\\u001b[1m"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_is_hidden_inside_a_token_does_not_hide_it(policy: Policy, fake: Fake, hidden: str) -> None:
    token = fake("github_token", 3)
    text = f"use {token[:12]}{hidden}{token[12:]} now"
    assert policy.redact(text).text == "use [REDACTED:github] now"
    assert policy.redact(f"{hidden}{token}{hidden}").text == f"{hidden}[REDACTED:github]{hidden}"


@pytest.mark.parametrize("backslashes", range(9))
def test_any_number_of_backslashes(policy: Policy, backslashes: int) -> None:
    quote = "\\" * backslashes + '"'
    password = fill("Tr0ub4dor{a9}", random.Random(backslashes))
    text = f"{{{quote}password{quote}:{quote}{password}{quote},{quote}user{quote}:{quote}ann{quote}}}"
    assert policy.redact(text).text == text.replace(password, "[REDACTED:password]")


@pytest.mark.parametrize("value", ["ОченьДлинныйПароль2026", "データベース秘密2026", "Contraseña!Larga2026"])
def test_values_beyond_ascii(policy: Policy, value: str) -> None:
    for text in (f"password: {value}", f'{{"password": "{value}"}}', f"пароль: {value}"):
        assert value not in policy.redact(text).text
