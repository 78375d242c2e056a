"""Whether a text is English, as far as its commonest words tell: the model read little else when it was trained."""

from __future__ import annotations

import re
from typing import Final

_SEARCHED: Final = 400
"""Characters."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_LATIN: Final = re.compile(r"[a-z\u00df-\u024f]", re.IGNORECASE)
_ENGLISH: Final = frozenset(
    "the a an of to in on is are was were be been it its this that these those and or but not for with from by at as "
    "we you i they he she my our your what which who when where why how do does did can could should will would have "
    "has had there then than if because so".split()
)
_OTHERS: Final = frozenset(
    # German, Dutch
    "der das den dem ein eine einen einem einer und oder aber nicht kein keine ist sind waren wird werden wurde hat "
    "haben mit von vom zum zur auf für aus bei nach nur noch auch dass weil wenn wie warum wieso wann wer ich du wir "
    "ihr sie mein unser statt nimm nehmen immer nie bitte läuft im het een en niet van voor met naar ook wij waarom "
    "wanneer waar hoe omdat maar zijn wordt "
    # French, Spanish, Portuguese, Italian
    "le la les un une du et ou mais pas est sont était avec pour dans sur par que qui parce nous vous je il elle ne se "
    "chaque pourquoi quand où comment el los las una del y pero son con para por porque nosotros su cada qué cuándo "
    "dónde cómo os um uma dos das mas não é são com em pelo pela nós eu lo gli della sono perché quando dove noi ogni "
    "usa usar usamos".split()
)
"""Common words of other languages."""
_AMBIGUOUS: Final = frozenset("die war am des no on as do me com come e o y i a in an es la os".split())
"""Words of more than one of these, and none that tells: "the war", "der War"."""


def is_english(text: str) -> bool | None:
    """Tell whether a text is English; None where its words do not tell."""
    head = text[:_SEARCHED].lower()
    if not head.isascii():
        letters = sum(map(str.isalpha, head))
        if 2 * len(_LATIN.findall(head)) < letters:
            return False
    words = [word for word in _WORD.findall(head) if word not in _AMBIGUOUS]
    english, other = (sum(word in those for word in words) for those in (_ENGLISH, _OTHERS))
    return None if english == other else english > other
