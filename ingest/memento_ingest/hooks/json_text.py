"""Edit the text of a JSON file: what need not change keeps its bytes, its comments and its spelling of numbers.

Invariant: `parse(edited(text, new)) == new`; `edited` raises ValueError rather than break it. Text is inserted after
the last member of an object or the last item of a list, and removed with the line that it stands on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from enum import IntEnum
from typing import Any, Final, NamedTuple


class Dialect(IntEnum):
    """What an agent's own parser accepts in its JSON; each takes all that the one before it takes."""

    PLAIN = 0
    COMMENTS = 1
    TRAILING_COMMAS = 2


class Style(NamedTuple):
    """How inserted text is written."""

    indent: str | None
    """None: the whole file is on one line."""
    newline: str
    ascii: bool


class _Edit(NamedTuple):
    """Replace what lies between two offsets."""

    start: int
    end: int
    text: str


class _Element(NamedTuple):
    """A member of an object, or an item of a list."""

    key: str
    """Empty for an item."""
    start: int
    value: int
    """Where its value begins."""
    end: int
    comma: int
    """Where the comma after it stands, or -1."""


class _Container(NamedTuple):
    opening: int
    closing: int
    """Where its brackets stand."""
    elements: list[_Element]


_COMMENT_OR_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_COMMA_OR_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|,(?=\s*[}\]])')
_NOT_SPACE: Final = re.compile(r"[^ \t\r\n]|\Z")
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?://[^\r\n]*|/\*[^\r\n]*?\*/[ \t]*)?(?=\r?\n)")
_INDENT: Final = re.compile(r"^[\[{][ \t]*\r?\n([ \t]+)")


def parse(text: str, dialect: Dialect = Dialect.PLAIN) -> Any:
    """Return the value of a text. Raises ValueError for what the dialect does not accept, and for a key given twice."""
    return _value(_plain(text, dialect))


def edited(text: str, new: Mapping[str, Any], style: Style, dialect: Dialect = Dialect.PLAIN) -> str:
    """Return the text of an object changed so that its value is `new`. Raises ValueError."""
    plain = _plain(text, dialect)
    old = _value(plain)
    edits = _Editor(text, plain, style).changes(_skip(plain, 0), old, new)
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    if not _equal(parse(text, dialect), new):
        raise ValueError("its layout cannot be edited safely")
    return text


def _value(plain: str) -> Any:
    return json.loads(plain, object_pairs_hook=_unique, parse_constant=_refused)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _plain(text: str, dialect: Dialect) -> str:
    """Return plain JSON in which every value stands where it stood: blanks take the place of what is left out."""
    if dialect >= Dialect.COMMENTS and ("//" in text or "/*" in text):
        text = _COMMENT_OR_STRING.sub(lambda found: found[0] if found[0][0] == '"' else _blank(found[0]), text)
    if dialect >= Dialect.TRAILING_COMMAS:
        text = _COMMA_OR_STRING.sub(lambda found: " " if _ends_a_value(text, found) else found[0], text)
    return text


def _blank(comment: str) -> str:
    return re.sub(r"[^\r\n]", " ", comment)


def _ends_a_value(text: str, found: re.Match[str]) -> bool:
    """Tell whether a match is a comma that stands after a value: `{,}` is wrong in every dialect."""
    if found[0] != ",":
        return False
    before = found.start() - 1
    while before >= 0 and text[before] in " \t\r\n":
        before -= 1
    return before >= 0 and text[before] not in "{[,:"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _skip(plain: str, position: int) -> int:
    """Return where the next character stands that is no white space."""
    return _NOT_SPACE.search(plain, position).start()  # type: ignore[union-attr]  # it matches the end


def _equal(one: object, other: object) -> bool:
    """Compare as JSON does: `1` is not `true`, and the order of keys does not count."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


class _Editor:
    """Finds the edits that turn one value into another. Offsets are the same in the text and in its plain form."""

    def __init__(self, text: str, plain: str, style: Style) -> None:
        self._text, self._plain, self._style = text, plain, style
        self._decoder = json.JSONDecoder()

    def changes(self, position: int, old: Any, new: Any) -> list[_Edit]:
        """Return the edits of the value that begins at a position."""
        if _equal(old, new):
            return []
        if isinstance(old, dict) and isinstance(new, Mapping):
            return self._object(position, old, new)
        if isinstance(old, list) and isinstance(new, list):
            return self._list(position, old, new)
        _, end = self._decoder.raw_decode(self._plain, position)
        return [_Edit(position, end, self._written(new, self._indent_at(position)))]

    def _object(self, position: int, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[_Edit]:
        found = self._container(position)
        kept = [one for one in found.elements if one.key in new]
        edits = [edit for one in kept for edit in self.changes(one.value, old[one.key], new[one.key])]
        added = [f"{self._quoted(key)}: " for key in new if key not in old]
        values = [new[key] for key in new if key not in old]
        return edits + self._resized(found, kept, added, values)

    def _list(self, position: int, old: list[Any], new: list[Any]) -> list[_Edit]:
        found = self._container(position)
        before, after = ([json.dumps(one, sort_keys=True) for one in items] for items in (old, new))
        kept: list[_Element] = []
        edits: list[_Edit] = []
        added: list[Any] = []
        for what, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if what == "equal" or (what == "replace" and i2 - i1 == j2 - j1):
                kept += found.elements[i1:i2]
                pairs = zip(found.elements[i1:i2], old[i1:i2], new[j1:j2], strict=True)
                edits += [edit for one, was, is_ in pairs for edit in self.changes(one.value, was, is_)]
            elif i2 == len(old):
                added = new[j1:j2]
            elif j2 > j1:
                raise ValueError("items can be added at the end of a list only")
        return edits + self._resized(found, kept, [""] * len(added), added)

    def _resized(
        self, found: _Container, kept: Sequence[_Element], prefixes: Sequence[str], values: Sequence[Any]
    ) -> list[_Edit]:
        """Return the edits that remove the elements that are not kept and append others."""
        gone = [one for one in found.elements if one not in kept]
        if not kept and (gone or values) and not self._beside(found).strip(", \t\r\n"):
            return [_Edit(found.opening + 1, found.closing, self._around(prefixes, values, found))]
        edits = [self._removal(one) for one in gone]
        if not kept:
            place = self._before_closing(found)
            text = self._around(prefixes, values, found, place) if values else ""
            return [*edits, _Edit(place, place, text)]
        has_comma = found.elements[-1].comma >= 0
        if values:
            return edits + self._appended(found, kept[-1], prefixes, values, has_comma)
        if gone and not has_comma and kept[-1].comma >= 0:
            edits.append(_Edit(kept[-1].comma, kept[-1].comma + 1, ""))
        return edits

    def _beside(self, found: _Container) -> str:
        """Return what stands between the brackets beside the elements."""
        ends = [found.opening + 1, *(one.end for one in found.elements)]
        starts = [*(one.start for one in found.elements), found.closing]
        return "".join(self._text[end:start] for end, start in zip(ends, starts, strict=True))

    def _appended(
        self, found: _Container, last: _Element, prefixes: Sequence[str], values: Sequence[Any], has_comma: bool
    ) -> list[_Edit]:
        """Return the edits that add elements after the last that stays: behind its comment, if one is on its line."""
        indent = self._own_line(last.start)
        edits = [_Edit(last.end, last.end, ",")] if last.comma < 0 else []
        written = [prefix + self._written(value, indent or "") for prefix, value in zip(prefixes, values, strict=True)]
        if indent is None:
            joined = "".join(f", {one}" for one in written)
            return [_Edit(last.end, last.end if last.comma < 0 else last.comma + 1, joined)]
        line = self._style.newline + indent
        joined = ",".join(line + one for one in written) + ("," if has_comma else "")
        after = max(last.end, last.comma + 1)
        rest = _REST_OF_LINE.match(self._text, after)
        place = rest.end() if rest and rest.end() <= found.closing else after
        if edits and place == last.end:
            return [_Edit(last.end, last.end, "," + joined)]
        return [*edits, _Edit(place, place, joined)]

    def _around(
        self, prefixes: Sequence[str], values: Sequence[Any], found: _Container, place: int | None = None
    ) -> str:
        """Return elements as the whole content of a container, with the white space inside its brackets."""
        unit, newline = self._style.indent, self._style.newline
        outer = self._indent_at(found.opening)
        inner = outer + (unit or "")
        written = [prefix + self._written(value, inner) for prefix, value in zip(prefixes, values, strict=True)]
        if unit is None or not written:
            return ", ".join(written)
        text = ",".join(newline + inner + one for one in written)
        is_ended = place is not None and "\n" in self._text[place : found.closing]
        return text if is_ended else text + newline + outer

    def _before_closing(self, found: _Container) -> int:
        """Return the offset after the last thing that is not white space before the closing bracket."""
        place = found.closing
        while self._text[place - 1] in " \t\r\n":
            place -= 1
        return place

    def _removal(self, one: _Element) -> _Edit:
        """Return the edit that removes an element, its comma and the line break before it."""
        start, end = one.start, max(one.end, one.comma + 1)
        while start and self._text[start - 1] in " \t":
            start -= 1
        ends_line = _REST_OF_LINE.match(self._text, end)  # else what is left of the line would go up to the one before
        if ends_line and start and self._text[start - 1] == "\n":
            start -= 2 if self._text[start - 2 : start] == "\r\n" else 1
        return _Edit(start, end, "")

    def _container(self, position: int) -> _Container:
        """Return where the elements of the object or list at a position stand."""
        plain, decode = self._plain, self._decoder.raw_decode
        is_object, closing = plain[position] == "{", "}" if plain[position] == "{" else "]"
        elements: list[_Element] = []
        at = _skip(plain, position + 1)
        while plain[at] != closing:
            start, key = at, ""
            if is_object:
                key, at = decode(plain, at)
                at = _skip(plain, _skip(plain, at) + 1)
            value = at
            _, end = decode(plain, at)
            at = _skip(plain, end)
            comma = at if plain[at] == "," else -1
            at = _skip(plain, at + 1) if comma >= 0 else at
            elements.append(_Element(key, start, value, end, comma))
        if elements:
            elements[-1] = elements[-1]._replace(comma=self._trailing_comma(elements[-1].end, at))
        return _Container(position, at, elements)

    def _trailing_comma(self, end: int, closing: int) -> int:
        """Return where the comma stands that the plain form has left out after the last element, or -1."""
        between = _COMMENT_OR_STRING.sub(lambda one: _blank(one[0]), self._text[end:closing])
        return end + between.index(",") if "," in between else -1

    def _own_line(self, position: int) -> str | None:
        """Return the white space before a position if nothing else is before it on its line."""
        begin = self._text.rfind("\n", 0, position) + 1
        before = self._text[begin:position]
        return before if begin and not before.strip() else None

    def _indent_at(self, position: int) -> str:
        """Return the indentation of the line that a position is on."""
        begin = self._text.rfind("\n", 0, position) + 1
        return re.match(r"[ \t]*", self._text[begin:])[0]  # type: ignore[index]  # it matches anything

    def _quoted(self, key: str) -> str:
        return json.dumps(key, ensure_ascii=self._style.ascii)

    def _written(self, value: Any, indent: str) -> str:
        text = json.dumps(value, indent=self._style.indent, ensure_ascii=self._style.ascii, allow_nan=False)
        return text.replace("\n", self._style.newline + indent)


def style_of(text: str) -> Style:
    """Return how a text is written; an empty one gets two spaces."""
    if not text.strip():
        return Style("  ", "\n", ascii=False)
    match = _INDENT.match(text.lstrip())
    indent = match[1] if match else "  " if "\n" in text.strip() else None
    return Style(indent, "\r\n" if "\r\n" in text else "\n", text.isascii())
