"""The person's words, the tools' and the editor's own in the texts that Cline and Roo send to the model.

A prompt comes in `<task>` or `<user_input>`, with `<environment_details>` behind it. Where the model has no tool calls
of its own they are XML in its text, and the results come back as text that begins with `[name for '...'] Result:`;
what the person says to them is in `<feedback>`, `<answer>` or `<user_message>` inside.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from memento_ingest.formats.shared.dialogue import kind_of
from memento_ingest.formats.shared.excerpt import string

_ENVIRONMENT: Final = re.compile(r"(?<!\s)\s*+<environment_details>.*?(?:</environment_details>\s*|\Z)", re.DOTALL)
# What the editor adds to a prompt: files and folders that it mentions, its own instructions and reminders.
_ADDED: Final = re.compile(
    r"(?<!\s)\s*+<(file_content|folder_content|url_content|workspace_diagnostics|git_commit|terminal_output|explicit_instructions"
    r"|user_instructions|feature_tip|user_reminder|custom_mode_instructions|slash_command|command)\b[^<>]*>.*?</\1>\s*",
    re.DOTALL,
)
_PROMPT: Final = re.compile(r"<(task|user_input|user_message|feedback|answer|new_task)\b[^<>]*>(.*?)</\1>", re.DOTALL)
# The editor's sentence on a line before the person's words.
_TELLS: Final = re.compile(
    r"^[ \t]*(?:the )?user\b[^\n<>]{0,300}\n(?=\s{0,8}<(?:feedback|answer|user_message)\b)",
    re.MULTILINE | re.IGNORECASE,
)
_SAID: Final = re.compile(r"<(feedback|answer|user_message)\b[^<>]*>(.*?)</\1>", re.DOTALL)
_RESULT: Final = re.compile(r"\s*\[(?P<tool>[a-z][\w.-]*)(?: for (?P<about>[^\n]{0,4000}?))?\] Result:", re.IGNORECASE)
# Words beside a result of any tool stand behind a sentence of the editor's, at the beginning or the end of the text:
# a file that was read may hold the same tags.
_TOLD: Final = re.compile(r"<(feedback|user_message)\b[^<>]{0,200}>", re.IGNORECASE)
_USER: Final = re.compile(r"\buser\b", re.IGNORECASE)
_APPROVAL: Final = re.compile(
    r'\A(?:\s*\[[^\n]{0,4000}\] Result:)?\s*(?:The user approved\b|\{\s*"status"\s*:\s*"approved")'
)
_VERDICT: Final = re.compile(r'\s*\{\s*"status"\s*:\s*"(?:approved|denied|guidance)"')
_PROGRESS: Final = re.compile(
    r"(?:\A|\n)[ \t]*#+ (?:TODO LIST (?:UPDATE|CREAT\w+)|task_progress)\b.*\Z", re.DOTALL | re.IGNORECASE
)
_FOLDER: Final = re.compile(r"^# Current (?:Working|Workspace) Directory \((?P<folder>[^\n]+)\) Files", re.MULTILINE)
_NOTICES: Final = {
    "[ERROR]": "notice",
    "[TASK RESUMPTION]": "notice",
    "[NEW TASK]": "notice",
    "Continue assisting the user": "notice",
}
_THOUGHTS: Final = re.compile(r"(?<!\s)\s*+<(thinking|think|thought)>.*?(?:</\1>|\Z)\s*", re.DOTALL)
_DECODER: Final = json.JSONDecoder(strict=False)
_ANSWERS: Final = re.compile(
    r"<(attempt_completion|ask_followup_question|plan_mode_respond|new_task|condense|summarize_task)>"
    r"(.*?)(?:</\1>|\Z)",
    re.DOTALL,
)
_WORDS: Final = re.compile(r"<(result|question|response|context)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_CALLS: Final = re.compile(
    r"(?<!\s)\s*+<(execute_command|read_file|write_to_file|replace_in_file|apply_diff|apply_patch|insert_content"
    r"|search_and_replace|search_files|codebase_search|list_files|list_code_definition_names|browser_action"
    r"|use_mcp_tool|access_mcp_resource|load_mcp_documentation|fetch_instructions|switch_mode|update_todo_list"
    r"|new_rule|web_fetch|web_search|run_slash_command|generate_image|edit_file)>.*?(?:</\1>|\Z)\s*",
    re.DOTALL,
)


def prompt_text(texts: list[str]) -> tuple[str, str]:
    """Return what the person typed and no reason, or nothing and the reason."""
    kept = [_ENVIRONMENT.sub("\n", text).strip() for text in texts]
    kept = [text for text in kept if text]
    if not kept:
        return "", "environment" if any(text.strip() for text in texts) else ""
    for opening, reason in _NOTICES.items():
        if kept[0].startswith(opening):
            answers = [match[2].strip() for text in kept for match in _SAID.finditer(text)]
            return "\n\n".join(filter(None, answers)), "" if any(answers) else reason
    bare = [_ADDED.sub("\n", text).strip() for text in kept]
    said = [_PROMPT.sub(lambda match: match[2].strip(), _TELLS.sub("", text)).strip() for text in bare]
    text = "\n\n".join(filter(None, said))
    return text, "" if text else "environment"


def is_tool_output(texts: list[str]) -> bool:
    """Tell whether a user's message is the results of tools sent as text; every text beside one is a part of it."""
    return any(_RESULT.match(text) for text in texts)


def is_approval(texts: list[str]) -> bool:
    """Tell whether a tool's result begins with the editor's notice that the person allowed the call."""
    return any(_APPROVAL.match(text) for text in texts)


def called(texts: list[str]) -> tuple[str, str]:
    """Return the name of the tool whose result was sent as text, and what it says the call was about."""
    found = next((match for text in texts if (match := _RESULT.match(text))), None)
    return (found["tool"], (found["about"] or "").strip().strip("'\"")) if found else ("", "")


def tool_output(texts: list[str], tool: str) -> tuple[str, list[str]]:
    """Return what a tool gave, and what the person said to it."""
    cleaned = [_ENVIRONMENT.sub("\n", text).strip() for text in without_progress(texts)]
    # Of a call that is not known only a result that is nothing but a person's words.
    talks = kind_of(tool) or (not tool and all(_SAID.fullmatch(text) for text in cleaned))
    if not talks:
        return _other_output(cleaned)
    answers = [words for text in cleaned for match in _SAID.finditer(text) if (words := match[2].strip())]
    return "\n".join(filter(None, (_SAID.sub("", text).strip() for text in cleaned))), answers


def keyed_output(texts: list[str]) -> str:
    """Return the output that keys are made of: with the editor's reminders, as it once was kept."""
    cleaned = (_SAID.sub("", _ENVIRONMENT.sub("\n", text).strip()).strip() for text in texts)
    return "\n".join(filter(None, cleaned))


def _other_output(cleaned: list[str]) -> tuple[str, list[str]]:
    rest, answers = [], []
    for text in cleaned:
        header = _RESULT.match(text)
        begins = header.end() if header else 0
        told, body = _told(text[begins:])
        answers += told
        rest.append(f"{text[:begins]}{body}".strip())
    return "\n".join(filter(None, rest)), answers


def _told(text: str) -> tuple[list[str], str]:
    """Return the person's words in the result of a tool that does not talk to them, and the rest."""
    if _VERDICT.match(text):
        verdict, end = _first_object(text)
        words = string(verdict.get("feedback")).strip()
        return ([words] if words else []), text[end:] if words else text
    for begins in (_first_tag(text), _last_tag(text)):
        if begins is None:
            continue
        opened, ends = text.rfind("\n", 0, begins.start()), text.find(f"</{begins[1]}>", begins.end())
        sentence = text[:opened].rstrip().rpartition("\n")[2] if opened >= 0 else ""
        if ends >= 0 and _USER.search(sentence[-400:]) and not text[opened + 1 : begins.start()].strip():
            words = text[begins.end() : ends].strip()
            return ([words] if words else []), text[: begins.start()] + text[ends + len(begins[1]) + 3 :]
    return [], text


def _first_tag(text: str) -> re.Match[str] | None:
    """Return the tag on the line after the first one."""
    sentence, _, rest = text.lstrip().partition("\n")
    found = _TOLD.match(rest.lstrip()[:250]) if sentence else None
    return _TOLD.match(text, text.index(found[0])) if found else None


def _last_tag(text: str) -> re.Match[str] | None:
    """Return the tag whose end is that of the text."""
    name = next((name for name in ("feedback", "user_message") if text.rstrip().endswith(f"</{name}>")), "")
    return _TOLD.match(text, text.rfind(f"<{name}")) if name else None


def _first_object(text: str) -> tuple[dict[str, Any], int]:
    try:
        value, end = _DECODER.raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return {}, 0
    return (value if isinstance(value, dict) else {}), end + len(text) - len(text.lstrip())


def without_progress(texts: list[str]) -> list[str]:
    """Return a user's texts without the editor's reminders to keep a list of what is to be done."""
    return [_PROGRESS.sub("", text) for text in texts]


def folder_of(texts: list[str]) -> str:
    """Return the folder that the editor says it works in, or an empty string."""
    found = next((match for text in texts if (match := _FOLDER.search(text))), None)
    return found["folder"].strip() if found else ""


def spoken_text(texts: list[str]) -> str:
    """Return what the assistant said to the person, without its thoughts and its calls of tools."""
    said = []
    for text in texts:
        text = _THOUGHTS.sub("\n", text)
        text = _ANSWERS.sub(lambda match: "\n".join(part[2].strip() for part in _WORDS.finditer(match[2])), text)
        said.append(_CALLS.sub("\n", text).strip())
    return "\n\n".join(filter(None, said))
