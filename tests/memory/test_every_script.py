"""Words are found in every script, and inside identifiers: whole, by their parts, as phrases, and left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from memento.base.subwords import identifier_parts, subwords, words
from memento.memory import NewMemory
from memento.storage import fulltext, integrity
from memento.storage.filters import Filter
from memento.store import MemoryStore

SENTENCES = {
    "zh": "会议决定把灯塔项目的端口换成九千，因为防火墙只放行这个范围。",
    "ja": "灯台プロジェクトのポート番号を九千に変えると会議で決めた。",
    "ko": "등대프로젝트의 포트번호를 구천으로 바꾸기로 회의에서 결정했다.",
    "th": "เราตัดสินใจเปลี่ยนพอร์ตของประภาคารเป็นเก้าพัน",
    "lo": "ພວກເຮົາຕັດສິນໃຈປ່ຽນພອດຂອງປະພາຄານ",
    "km": "យើងបានសម្រេចចិត្តប្តូរច្រកនៃប៉មភ្លើងហ្វារ",
    "my": "ကျွန်ုပ်တို့သည်မီးပြတိုက်၏ဆိပ်ကမ်းကိုပြောင်းရန်ဆုံးဖြတ်ခဲ့သည်",
    "ar": "قَرَّرنا تغيير منفذ المنارة إلى تسعة آلاف",
    "he": "החלטנו להחליף את הפורט של הַמִּגְדַּלּוֹר לתשעת אלפים",
    "hi": "हमने प्रकाशस्तंभ का पोर्ट बदलने का निर्णय लिया",
    "ru": "Мы решили перенести порт маяка, ёлка стоит у входа.",
    "de": "Wir haben den Anschluss des Leuchtturms geändert, größer als zuvor.",
}
FOUND_BY = [
    ("zh", "灯塔"), ("zh", "灯塔项目"), ("zh", "塔"), ("zh", "防火墙"),
    ("ja", "灯台"), ("ja", "ポート番号"), ("ja", "ﾎﾟｰﾄ番号"), ("ko", "등대"), ("ko", "포트번호"),
    ("th", "ประภาคาร"), ("th", "พอร์ต"), ("lo", "ປະພາຄານ"), ("km", "ប៉មភ្លើង"), ("my", "မီးပြတိုက်"),
    ("ar", "قررنا"), ("ar", "الاف"), ("he", "המגדלור"), ("hi", "प्रकाशस्तंभ"),
    ("ru", "маяка"), ("ru", "елка"), ("ru", "ЁЛКА"), ("de", "leuchtturms"), ("de", "grosser"), ("de", "GEÄNDERT"),
]  # fmt: skip
NOT_FOLDED = {"grosser"}
"""unicode61 keeps ß as a letter of its own."""


@pytest.fixture
def store(home: Path) -> Iterator[MemoryStore]:
    with MemoryStore(home / "memory.db") as store:
        for language, text in SENTENCES.items():
            store.remember(text, tags=[language], embed=False)
        for number in range(40):
            store.remember(f"We decided that job number {number} runs at night.", embed=False)
            store.remember(f"缓存层迁移到单独的节点，编号{number}。", embed=False)
        yield store


def found(store: MemoryStore, query: str, k: int = 3) -> list[str]:
    return [one.text for one in store.recall(query, k=k, min_score=0)]


@pytest.mark.parametrize(("language", "query"), [pair for pair in FOUND_BY if pair[1] not in NOT_FOLDED])
def test_a_word_finds_the_only_memory_that_holds_it(store: MemoryStore, language: str, query: str) -> None:
    assert found(store, query)[0] == SENTENCES[language]


@pytest.mark.parametrize(
    ("language", "phrase"),
    [
        ("zh", "灯塔项目"), ("ja", "ポート番号"), ("ko", "등대프로젝트"), ("th", "ประภาคาร"), ("hi", "का पोर्ट"),
        ("ar", "منفذ المنارة"), ("ru", "порт маяка"), ("de", "haben den anschluss"),
    ],
)  # fmt: skip
def test_a_phrase_finds_only_what_holds_it(store: MemoryStore, language: str, phrase: str) -> None:
    assert found(store, f'"{phrase}"', k=50) == [SENTENCES[language]]


def test_a_phrase_of_characters_that_stand_apart_finds_nothing(store: MemoryStore) -> None:
    assert found(store, '"灯塔端口"', k=50) == []


@pytest.mark.parametrize(("language", "word"), [("zh", "灯塔"), ("ko", "등대"), ("th", "ประภาคาร"), ("ru", "маяка")])
def test_an_excluded_word_leaves_its_memory_out(store: MemoryStore, language: str, word: str) -> None:
    left = found(store, f"tag:{language} -{word}", k=50)
    assert left == []
    assert found(store, f"tag:{language}", k=50) == [SENTENCES[language]]


def test_what_touches_text_without_spaces_is_a_word_of_its_own(store: MemoryStore) -> None:
    text = "错误码E4711表示许可证过期，設定はquokka.tomlを正とする。"
    store.remember(text, embed=False)
    for query in ("E4711", "e4711", '"E4711"', "quokka", "quokka.toml", "许可证"):
        assert found(store, query)[0] == text, query
    assert text not in found(store, "许可证 -E4711", k=50)


IDENTIFIERS = {
    "parseInvoiceHeader() drops the tax id when the line is empty; fixed in PR 482.": (
        "parseInvoiceHeader", "parse invoice header", "parse_invoice_header", "invoice header",
    ),
    "HttpRetryPolicy must cap at three attempts, we decided.": ("HttpRetryPolicy", "http retry policy", "RetryPolicy"),
    "TS2345 showed up after the upgrade.": ("TS2345", "2345"),
    "Reverted 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567, it broke the login.": ("0a1b2c3", "0a1b2c3d4e"),
    "max_connection_age is five minutes.": ("maxConnectionAge", "max connection age", "max-connection-age"),
    "Pass --no-verify only on the release branch.": ("--no-verify", "no-verify"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "query"), [(text, query) for text, all_ in IDENTIFIERS.items() for query in all_])
def test_an_identifier_is_found_whole_and_by_its_parts(store: MemoryStore, text: str, query: str) -> None:
    for one in IDENTIFIERS:
        store.remember(one, embed=False)
    for name in ("retry", "policy", "parse", "invoice", "header", "connection", "verify"):
        store.remember(f"We decided that the {name} step runs at night.", embed=False)
    assert text in found(store, query)


def test_the_whole_identifier_comes_before_its_parts(store: MemoryStore) -> None:
    parts = "Parse each invoice, then the header of the next invoice."
    whole = "Then parseInvoiceHeader fails."
    for text in (parts, whole):
        store.remember(text, embed=False)
    assert found(store, "parseInvoiceHeader")[0] == whole


def test_an_excluded_word_spares_identifiers_that_contain_it(store: MemoryStore) -> None:
    script, language = "The JavaScript build is slow.", "The Java build is slow."
    for text in (script, language):
        store.remember(text, embed=False)
    assert found(store, "build -java", k=50) == [script]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("parseInvoiceHeader", ["parse", "invoice", "header"]), ("HTTPServer", ["http", "server"]),
        ("sha256", ["sha", "256"]), ("word", []), ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", []), ("x" * 65, []),
        ("0a1b2c3d4e5f", ["0a1b2c3"]),
    ],
)  # fmt: skip
def test_the_parts_of_an_identifier(word: str, parts: list[str]) -> None:
    assert identifier_parts(word) == parts


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=2, max_size=30), st.data())
def test_any_piece_of_a_run_is_found(run: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(run) - 2))
    piece = run[start : data.draw(st.integers(start + 2, len(run)))]
    assert set(words(piece)) <= set(subwords(f"see {run}.").split())


@given(st.text(max_size=200))
@example("\u0e31\u0e31")
@example("ก" + "\u0e31" * 50)
@example("a" * 1000 + "B" * 1000)
def test_any_text_has_subwords_and_words(text: str) -> None:
    assert "\0" not in subwords(text.replace("\0", ""))
    assert len(subwords(text)) <= 8 * len(text) + 8
    for word in words(text):
        assert word
        assert " " not in word


def test_plain_text_has_none() -> None:
    assert subwords("We deploy on Tuesdays only, don't forget v1.2.3 of the café.") == ""


def test_rows_whose_subwords_are_missing_get_them_when_the_index_is_rebuilt(home: Path) -> None:
    with MemoryStore(home / "memory.db") as store:
        store.remember(SENTENCES["zh"], embed=False)
        with store.database.write() as connection:
            connection.execute("UPDATE memories SET subwords = ''")
            connection.execute("INSERT INTO memories_fts (memories_fts) VALUES ('rebuild')")
            assert not fulltext.search_all(connection, words("灯塔"), Filter())
            fulltext.rebuild(connection)
            assert integrity.check_fulltext(connection) == []
        assert found(store, "灯塔") == [SENTENCES["zh"]]


def test_a_message_that_grows_is_found_by_its_new_words(home: Path) -> None:
    memory = NewMemory(id="ab" * 16, text="灯塔", timestamp=1, source="s", session_id="", role="user")
    with MemoryStore(home / "memory.db") as store:
        store.write(memory)
        store.write(replace(memory, text="灯塔项目 parseConfig"))
        for query in ("项目", "parse config", "灯塔"):
            assert found(store, query) == ["灯塔项目 parseConfig"]
        with store.database.write() as connection:
            assert integrity.check_fulltext(connection) == []
