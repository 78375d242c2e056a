"""The person's words, the tools' and the editor's own in the texts that Cline and Roo send to the model.

A prompt comes in `<task>` or `<user_input>`, with `<environment_details>` behind it. Where the model has no tool calls
of its own they are XML in its text, and the results come back as text that begins with `[name for '...'] Result:`;
what the person says to them is in `<feedback>`, `<answer>` or `<user_message>` inside.
"""

from __future__ import annotations

import re
from typing import Final

_ENVIRONMENT: Final = re.compile(r"\s*<environment_details>.*?(?:</environment_details>\s*|\Z)", re.DOTALL)
# What the editor adds to a prompt: files and folders that it mentions, its own instructions and reminders.
_ADDED: Final = re.compile(
    r"\s*<(file_content|folder_content|url_content|workspace_diagnostics|git_commit|terminal_output|explicit_instructions"
    r"|user_instructions|feature_tip|user_reminder|custom_mode_instructions|slash_command|command)\b[^<>]*>.*?</\1>\s*",
    re.DOTALL,
)
_PROMPT: Final = re.compile(r"<(task|user_input|user_message|feedback|answer|new_task)\b[^<>]*>(.*?)</\1>", re.DOTALL)
_SAID: Final = re.compile(r"<(feedback|answer|user_message)\b[^<>]*>(.*?)</\1>", re.DOTALL)
_RESULT: Final = re.compile(r"\s*\[[a-z][\w.-]*(?: for [^\n]{0,4000}?)?\] Result:", re.IGNORECASE)
_NOTICES: Final = {
    "[ERROR]": "notice",
    "[TASK RESUMPTION]": "notice",
    "[NEW TASK]": "notice",
    "Continue assisting the user": "notice",
}
_THOUGHTS: Final = re.compile(r"\s*<(thinking|think|thought)>.*?(?:</\1>|\Z)\s*", re.DOTALL)
_ANSWERS: Final = re.compile(
    r"<(attempt_completion|ask_followup_question|plan_mode_respond|new_task|condense|summarize_task)>"
    r"(.*?)(?:</\1>|\Z)",
    re.DOTALL,
)
_WORDS: Final = re.compile(r"<(result|question|response|context)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_CALLS: Final = re.compile(
    r"\s*<(execute_command|read_file|write_to_file|replace_in_file|apply_diff|apply_patch|insert_content"
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
    said = [_PROMPT.sub(lambda match: match[2].strip(), text).strip() for text in bare]
    text = "\n\n".join(filter(None, said))
    return text, "" if text else "environment"


def is_tool_output(texts: list[str]) -> bool:
    """Tell whether a user's message is the results of tools sent as text; every text beside one is a part of it."""
    return any(_RESULT.match(text) for text in texts)


def tool_output(texts: list[str]) -> tuple[str, list[str]]:
    """Return what tools gave, and what the person said to it."""
    cleaned = [_ENVIRONMENT.sub("\n", text).strip() for text in texts]
    answers = [words for text in cleaned for match in _SAID.finditer(text) if (words := match[2].strip())]
    return "\n".join(filter(None, (_SAID.sub("", text).strip() for text in cleaned))), answers


def answer_text(texts: list[str]) -> str:
    """Return what the assistant said to the person, without its thoughts and its calls of tools."""
    said = []
    for text in texts:
        text = _THOUGHTS.sub("\n", text)
        text = _ANSWERS.sub(lambda match: "\n".join(part[2].strip() for part in _WORDS.finditer(match[2])), text)
        said.append(_CALLS.sub("\n", text).strip())
    return "\n\n".join(filter(None, said))
