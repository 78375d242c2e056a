"""Machine text around what a person says in a tool's result: nobody's words."""

from __future__ import annotations

import re
from typing import Final

_REMINDER: Final = re.compile(r"(?<!\s)\s*+<(system-reminder|system_reminder)>.*?(?:</\1>|\Z)\s*", re.DOTALL)
# What agents add for the model behind the person's words.
_TAIL: Final = re.compile(
    r"(?:\A|(?<!\s)\s++)(?:Note: The user['’]s next message may contain a correction or preference\b"
    r"|You can now continue with the user['’]s answers?\b|Read the answers? carefully\b"
    r"|You can now (?:proceed|start coding)\b|The plan is stored at: |Revise the plan based on\b"
    r"|Follow this feedback: |\[Request interrupted by user).*\Z",
    re.DOTALL,
)
_TAGGED: Final = re.compile(r"\s*<(feedback|answer|user_message)\b[^<>]*>(.*)</\1>\s*", re.DOTALL)
_NO_WORDS: Final = re.compile(
    r"\(?(?:no answer provided|no option selected|notes only|unanswered|no feedback provided)\)?\.?", re.IGNORECASE
)
_ATTACHED: Final = re.compile(r"(?<!\s)\s*+\(images? attached\)\s*\Z", re.IGNORECASE)
_REFUSED: Final = re.compile(
    r"\s*(?:<tool_use_error>\s*)?(?:Error: \s*)?(?:"
    r"The user (?:does(?:n['’]t| not) want|rejected|denied|declined|refused|cancell?ed|blocked|disapproved)\b"
    r"|Permission for this tool use was denied\b|Plan rejected\b|Tool (?:use|call) (?:was )?rejected\b"
    r")[^\n]{0,600}?\b(?:said|feedback|reason|comments?|message|instructions?)(?: for (?:the|this) \w{1,20})?"
    r"\s*:\s*(?P<words>.+)",
    re.DOTALL | re.IGNORECASE,
)
_GAVE_NONE: Final = (
    r"(?:cancell?ed|dismissed|declined|skipped|aborted|rejected|interrupted|closed|ignored|unavailable|not available"
    r"|not supported|timed? ?out|waiting|did(?: not|n['’]t)|has not|gave no|provided no|submitted without|may be away"
    r"|wants to clarify|has indicated|sent|posted|asked|does(?: not|n['’]t) want to|is away)\b"
)
_UNANSWERED: Final = re.compile(
    r"\A\W*(?:error:|cancell?ed\W*\Z|no (?:response|answer|input|operator)(?: (?:after|from|received|provided|given"
    r"|available|was)\b|\W*\Z)|(?:the )?(?:user|questions?|dialog|request|request_user_input|ask_user)"
    rf"(?: (?:is|was|were|has|have|been|are))* {_GAVE_NONE})",
    re.IGNORECASE,
)
# A program's own notice in the place of an answer: how the call ended, or that nobody could be asked.
_ENDED: Final = re.compile(
    r"\W*(?:"
    r"(?:(?:the|tool|user|command|operation|execution|request|prompt|session|turn|question|task|dialog|input)\s)*"
    r"(?:(?:use|call|execution|result|run)\s)?(?:(?:was|has|is|been|got)\s)*"
    r"(?:aborted|interrupted|cancell?ed|timed? ?out|rejected|dismissed|skipped|missing|failed|not found)"
    r"(?: (?:by|due to|waiting for|because of) [^\n]{1,80})?(?: after [\d.]+ ?\w{0,8})?"
    r"|no (?:output|content|result|response requested)|null|undefined|success|no result received"
    r"|(?:a?waiting)(?: for)? (?:the )?user\b[^\n]{0,80}"
    r"|(?:displayed|showed|shown|sent|presented|delivered|posted)\b[^\n]{0,80}\bto (?:the )?user"
    r"|auto-?(?:matically )?(?:approved|answered|selected|resolved|skipped)[^\n]{0,80}"
    r")\W*",
    re.IGNORECASE,
)
_FAILED: Final = re.compile(
    r"\s*(?:<tool_use_error>|\w*(?:Error|Exception): |(?:MCP |tool |internal |API )error\b|error (?:executing|calling"
    r"|running|invoking|while|in)\b|failed to (?:get|read|obtain|collect|receive|prompt|ask|parse|execute|run|call|show"
    r"|display)\b|(?:no such|unknown|invalid) tool\b|tool [\w.`'\"-]{1,80} (?:is |was )?(?:not|un)\W?\w+"
    r"|tool (?:ran|execution|result|call) [^\n]{0,200}\Z"
    r"|\[(?:old |tool |operation |request )[^\]\n]{0,120}(?:cleared|missing|cancell?ed|aborted|interrupted)\b"
    r"|non-?interactive\b|(?:running|cannot|can['’]t|could not|unable|not|questions?|ask\w*|user\w*|interactive)\b"
    r"[^\n]{0,80}\b(?:non-?interactive|headless|autonomous|unattended) (?:mode|session|run|environment))",
    re.IGNORECASE,
)

_MOST_TYPED: Final = 1_000
_LEAST_TYPED: Final = 2
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_PRINTED: Final = re.compile(
    r"\A\W*(?:exit code|error\b|warning\b|fatal\b|usage\b|traceback\b|shell\b|command\b|permission\b|hook\b|\w+hook\b"
    r"|pretooluse|posttooluse|claude (?:requested|code)|cancel\w*|blocked\b|path\b|file\b|found\b|input\w*|request\b"
    r"|this (?:bash )?command|stream\b|operation\b|tool\b|the user\b|no such\b"
    r"|user (?:rejected|denied|declined|refused)|\S+:\d|[\w./-]+: )"
    r"|<\w|^\s+at \S|\b\w+(?:Error|Exception)\b|\bnot found\b|\bno such file|\bfailed (?:to|with)\b|\btimed out\b"
    r"|\bdenied\b|\bnot (?:allowed|permitted|running|enabled|available)\b|\b(?:does not|doesn't) exist\b"
    r"|\b(?:invalid|unexpected|unknown|unrecognized|unable to|required|must be)\b",
    re.IGNORECASE | re.MULTILINE,
)


def words_of(text: str) -> str:
    """Return a person's words without the machine text around them; empty where nothing else is there."""
    text = _REMINDER.sub("\n", text) if "<system" in text else text
    text = _TAIL.sub("", text).strip().removesuffix("</tool_use_error>")
    if tagged := _TAGGED.fullmatch(text):
        text = tagged[2]
    text = _ATTACHED.sub("", text).strip()
    return "" if _NO_WORDS.fullmatch(text) else text


def refusal(output: str) -> str | None:
    """Return what follows the notice that a tool call was refused with words; None for any other result."""
    found = _REFUSED.match(output)
    return found["words"] if found else None


def is_prose(output: str) -> bool:
    """Tell whether an error is a sentence or two that somebody typed, and nothing that a program prints."""
    text = output.strip()
    return (
        len(text) <= _MOST_TYPED
        and len(_WORD.findall(text)) >= _LEAST_TYPED
        and not _PRINTED.search(text)
        and not _REFUSED.match(text)
        and not is_unanswered(text)
    )


def is_unanswered(output: str) -> bool:
    """Tell whether a result only says that the person gave no answer."""
    return bool(_UNANSWERED.match(output) or _FAILED.match(output) or _ENDED.fullmatch(output))
