"""What a message does, as far as its words tell: narrate a step, report an outcome, name a cause, lay down a rule.

Transcripts of coding agents are mostly steps on the way ("Let me check the config:") and short orders ("ok, continue").
What somebody asks for later is a cause, an outcome, a command that worked, a place, a rule. English only: in other
languages a message does nothing that is known here, and the other features decide.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from memento.search.ranking.go_ahead import only_acknowledges, says_nothing
from memento.search.ranking.refutation import denied_causes

_STEPPING: Final = 300
"""Characters; a longer message says more than what comes next."""
_MORE: Final = re.compile(r"[.!?]\s+\S|,\s+(?:which|so|since|because|but)\b")
"""Where a second sentence begins, or a clause that says more."""
_SAYING: Final = 6
"""Words; so many after a question say something."""
_REASONING: Final = 800
"""Characters in which a cause is looked for."""
_ASKING: Final = 300
"""Characters; a longer message of a user says more than what it asks for."""
_SEARCHED: Final = 1_500
"""Characters in which the rest is looked for."""
_BRIEF: Final = 25
_BRIEF_WORDS: Final = 3
"""A user's message of fewer characters and no more words orders something, complains, or only agrees, if it is in
English and names no number: "lint fail". "The token lives 15 min" says something, and so do three Chinese words."""
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

_INTERJECTION: Final = (
    r"(?:(?:perfect|great|good|excellent|ok(?:ay)?|alright|now|right|sure|yes|done|interesting|hmm+|ah|wait|actually|"
    r"first|next|finally|also)[,.!:]?\s+)*"
)
_STEP: Final = re.compile(
    _INTERJECTION + r"(?:let me|let['’]s|i['’]ll|i will|i need to|i should|now (?:let me|i['’]ll|update|i)|"
    r"next,? (?:i['’]ll|let)|i['’]m (?:going to|(?:now )?(?:checking|looking))|"
    r"checking|looking at|running|reading|time to)\b",
    re.IGNORECASE,
)
_OUTCOME: Final = re.compile(
    r"(?:perfect|done|excellent|great|all (?:done|tests|set)|fixed|updated|created|completed|finished|success|"
    r"i['’]ve|i have|we['’]ve|the \w+ (?:is|are) now|now (?:the|it)|got it)\b|✅|##|\*\*",
    re.IGNORECASE,
)
_CAUSE: Final = re.compile(
    r"\b(?:because|due to|caus(?:ed|ing|es?)|root cause|culprit|reason|turn(?:s|ed)? out|which means|that['’]s why|"
    r"the (?:real |actual |main |underlying )?(?:issue|problem|bug) (?:is|was|must)|"
    r"(?:see|found|there['’]s|that['’]s|here['’]s) (?:why|the (?:issue|problem|bug|cause)))\b",
    re.IGNORECASE,
)
_METHOD: Final = re.compile(
    r"```|^\s*\d+[.)] |`[^`\n]{3,}`|\b(?:you can|run|step|install|command)\b", re.IGNORECASE | re.MULTILINE
)
_PLACE: Final = re.compile(
    r"[\w.-]/[\w./-]|\b[\w-]+\.(?:py|tsx?|jsx?|md|json|toml|ya?ml|rs|go|java|kt|rb|php|cs|c|h|cpp|sh|css|html|sql)\b"
)
_RULE: Final = re.compile(
    r"\b(?:always|never|from now on|prefer(?:red|ence)?|must|make sure (?:to|that|you)|no [\w -]{2,20}!|do not|"
    r"i(?:['’]d| would)? (?:always |really |strongly |usually |generally )?(?:prefer|rather|like|only want)|"
    r"don['’]t (?:ever )?(?:use|add|do|write|make)|should (?:return|be|use|never|always|not)|"
    r"please (?:keep|use|avoid|always|never)|keep (?:it|the|your))\b",
    re.IGNORECASE,
)
_QUESTION: Final = re.compile(
    r"\W*(?:(?:ok(?:ay)?|so|and|but|hmm+|wait|hey|also|well|no|yes)[,.!:]*\s+)*"
    r"(?:why|how|what(?:['’]s)?|where|when|who|which|is|are|was|were|does|do|did|can|could|would|should|has|have)\b",
    re.IGNORECASE,
)
_TROUBLE: Final = re.compile(
    r"\b(?:fail(?:s|ed|ing|ure)?|errors?|broken|broke|crash(?:es|ed|ing)?|bugs?|stuck|hangs|"
    r"(?:\w+n['’]?t|not) work(?:s|ing)?|weird|annoying)\b",
    re.IGNORECASE,
)
_DOUBT: Final = re.compile(
    r"\b(?:(?:does|do|is|are|did|was)(?:n['’]?t| not)|can(?:['’]?t|not)|still|again|wrong)\b", re.IGNORECASE
)
"""Trouble in one clause ("login doesn't respond"); "it isn't in Redis, it lives in Postgres" tells where it is."""
_CLAUSE: Final = re.compile(r"[,;:.!?]\s+(?=\S)")
_CLAUSE_WORDS: Final = 4
"""Words; a clause of fewer ("same as before") says nothing by itself."""
_CHOICE: Final = re.compile(
    r"\W*(?:(?:no|ok(?:ay)?|and|also|please|let['’]s)[,.]?\s+)*(?:use|switch to|stick (?:to|with)|go with"
    r"|we (?:use|only|always|never|prefer|deploy|keep|run|write|don['’]t))\b",
    re.IGNORECASE,
)
"""An order that is a decision too."""
_CONDITION: Final = re.compile(r"\b(?:otherwise|or else|unless|until|so that|already|depends on)\b", re.IGNORECASE)
"""An order or a complaint that says when or why is worth more than an echo of it."""
_ORDER: Final = re.compile(
    r"(?:(?:ok(?:ay)?|alright|now|and|also|then|please|pls|yes|no|so|hmm+|good|great|cool|perfect|nice|sure|btw|"
    r"can you|could you|would you|let['’]s|i want you to)[,.!:]*\s+)*(?:please |just )?"
    r"(?:add|fix|create|make|remove|delete|update|move|copy|run|check|look|read|write|commit|push|merge|continue|go|do|use|"
    r"try|implement|change|rename|revert|undo|show|tell|explain|give|help|find|see|start|stop|test|open|close|put|set|let|"
    r"keep|get|install|review|refactor|clean|replace|generate|build|release|publish|convert)\b",
    re.IGNORECASE,
)


_RESOLVED: Final = re.compile(
    r"\b(?:found (?:it|out|the (?:cause|reason|problem|issue|bug|culprit|fix))|figured (?:it )?out|solved|nailed it"
    r"|(?:fixed|got) (?:it|that|this) (?:by|with|working|to work)|fixed (?:it|that|this)?[:;,.]"
    r"|turn(?:s|ed) out|never ?mind[,.:;]|nvm[,.:;]?|my bad|false alarm"
    r"|i (?:had |have |just |simply )*(?:forgot|forgotten)"
    r"|it was (?:actually |just |only |simply |all )*(?:the|an?|my|our|due to|because|caused by)\b"
    r"|it(?:['’]s| is) (?:actually |just |only |simply |all )*(?:the|my|our|due to|because|caused by)\b(?!.*n['’]?t\b)"
    r"|it was (?:actually |just )?[\w.-]+[.!]*\s*$|(?:was|is|were) (?:to blame|the (?:cause|culprit|problem|reason))"
    r"|the (?:real |actual )?(?:cause|culprit|reason|problem|issue|fix|solution|trick|answer) (?:is|was|turned out)"
    r"|that (?:was|did|fixed) it|works (?:now )?(?:after|once|when|with|since)|had nothing to do with"
    r"|gefunden|es (?:lag|liegt) an?m?\b|c['’]était|resuelto|оказалось|原来是|原因是)",
    re.IGNORECASE,
)
"""A user says what it was that they asked for, in a message that is no question."""
_TELLING: Final = 3
"""Words; "found it" alone tells nothing."""


class Acts(NamedTuple):
    """What one message does. A user's may ask, order and lay down a rule, an agent's narrate and report."""

    narrates: bool = False
    """An agent only says what it does next."""
    reports: bool = False
    """An agent says what came out of its work."""
    names_cause: bool = False
    """It says why something is as it is."""
    lays_down: bool = False
    """A user says how work is to be done: a rule, a wish, a dislike."""
    asks: bool = False
    """A user only asks, or complains that something fails: what repeats that is a question, not an answer."""
    orders: bool = False
    """A user only wants something done ("ok, fix it")."""
    says_nothing: bool = False
    """A user only urges on, agrees or thanks."""
    resolves: bool = False
    """A user says what it was: the answer to what they asked before."""

    @property
    def may_answer(self) -> bool:
        """Whether it can be what somebody looks for, and not only the way to it."""
        return not (self.narrates or self.asks or self.orders or self.says_nothing)


def read_acts(role: str, text: str) -> Acts:
    """Return what a message does."""
    names_cause = bool(_CAUSE.search(text, 0, _REASONING))
    if role == "assistant":
        names_cause = names_cause or bool(denied_causes(text))
        narrates = not names_cause and (_narrates(text) or only_acknowledges(text))
        return Acts(narrates, reports=not narrates and bool(_OUTCOME.match(text)), names_cause=names_cause)
    if role == "user":
        lays_down = bool(_RULE.search(text, 0, _SEARCHED))
        resolved = resolves(text)
        tells = names_cause or lays_down or resolved or bool(_CONDITION.search(text, 0, _ASKING))
        asks = not tells and _asks(text)
        return Acts(
            names_cause=names_cause or resolved,
            lays_down=lays_down,
            asks=asks,
            orders=not (asks or tells or _CHOICE.match(text)) and _orders(text),
            says_nothing=says_nothing(text),
            resolves=resolved,
        )
    return Acts(names_cause=names_cause)


def shows_how(text: str) -> bool:
    """Tell whether a text holds steps, a command or code."""
    return bool(_METHOD.search(text, 0, _SEARCHED))


def names_place(text: str) -> bool:
    """Tell whether a text names a file or folder."""
    return bool(_PLACE.search(text, 0, _SEARCHED))


def resolves(text: str) -> bool:
    """Tell whether a user's message says what it was that they asked for."""
    is_question = text.rstrip().endswith("?") or bool(_QUESTION.match(text))
    told = not is_question and len(_WORD.findall(text[:_ASKING])) >= _TELLING
    return told and bool(_RESOLVED.search(text, 0, _ASKING) or denied_causes(text))


def _orders(text: str) -> bool:
    if len(text) < _BRIEF and text.isascii() and not any(map(str.isdigit, text)):
        return len(_WORD.findall(text)) <= _BRIEF_WORDS or bool(_ORDER.match(text))
    return len(text) <= _ASKING and bool(_ORDER.match(text))


def _narrates(text: str) -> bool:
    if len(text) > _STEPPING:
        return False
    step = _STEP.match(text)
    rest = text[step.end() if step else 0 :]
    return bool(step or rest.rstrip().endswith(":")) and not _MORE.search(rest)


def _asks(text: str) -> bool:
    if len(text) > _ASKING:
        return False
    rest = text[text.rfind("?") + 1 :]
    if len(rest) < len(text) and len(_WORD.findall(rest)) >= _SAYING:
        return _complains(rest) or bool(_QUESTION.match(rest) or _ORDER.match(rest.lstrip()))
    return text.rstrip().endswith("?") or bool(_QUESTION.match(text)) or _complains(text)


def _complains(text: str) -> bool:
    return bool(_TROUBLE.search(text)) or (bool(_DOUBT.search(text)) and not _goes_on(text))


def _goes_on(text: str) -> bool:
    """Tell whether a doubt is followed by a clause that says something: "it isn't here, it lives over there"."""
    clause = _CLAUSE.search(text)
    if clause is None:
        return False
    rest = text[clause.end() :]
    return len(_WORD.findall(rest)) >= _CLAUSE_WORDS and not _ORDER.match(rest)
