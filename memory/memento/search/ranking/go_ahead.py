"""Messages that tell nothing: "yes, continue", "y", "1", "weiter", "继续". One of them finds only others like it."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

_LONG: Final = 400
"""Characters; a longer message says something."""
_MOST_WORDS: Final = 8
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SIGN: Final = re.compile(r"[a-z]|\d{1,2}")
"""An answer to a choice: "y", "2"."""
_ENGLISH: Final = frozenset(
    "a ahead all alright and are as awesome btw bye cheers commit continue cool correct do done everything exactly "
    "fine for go good great hello hey hi i in is it keep let's lgtm looks love merge much next nice no nope now of "
    "ok okay on one perfect please pls proceed push resume right run ship so sorry start step sure test tests thank "
    "thanks that that's the then this try up very wait well yeah yep yes you again agreed approve approved".split()
)
_OTHERS: Final = frozenset(
    # German, Dutch
    "weiter weitermachen ja nein bitte danke gut sehr mach mache machen mal los genau passt super prima klar "
    "fortfahren fortsetzen fahr fahre fort nochmal gerne einverstanden stimmt richtig alles ga door verder nee dank je "
    "bedankt graag "
    # French
    "continuez oui non merci vas y allez allons d'accord parfait bien très suivant suivante suite s'il te vous plaît "
    "plait c'est bon la encore "
    # Spanish, Portuguese, Italian
    "continúa continua continuar continúe continue sigue siga sí si gracias muchas vale adelante perfecto dale hazlo "
    "claro por favor listo siguiente de acuerdo correcto sim não obrigado obrigada pode prosseguir vai certo perfeito "
    "beleza isso sì grazie avanti perfetto bene va d'accordo procedi prosegui per favore "
    # Russian, Ukrainian, Polish, Turkish
    "продолжай продолжайте продолжи продолжить да нет дальше давай хорошо спасибо ок окей ладно пожалуйста верно "
    "понятно отлично поехали угу ага продовжуй так ні дякую далі добре kontynuuj dalej tak nie dzięki dobrze proszę "
    "devam et evet hayır tamam teşekkürler lütfen "
    # Vietnamese, Arabic
    "tiếp tục vâng استمر تابع نعم لا شكرا حسنا".split()
)
_UNSPACED: Final = re.compile(
    r"(?:继续|繼續|好|的|可以|行|是|对|對|嗯|请|請|吧|了|谢谢|謝謝|没问题|沒問題|同意|下一步|开始|開始|确认|執行|执行|不"
    r"|続けて|つづけて|ください|下さい|はい|お願いします|おねがいします|ありがとう|ございます|了解|です|いいよ|どうぞ|進めて"
    r"|次へ?|いいえ|계속|해줘?|하세요|해주세요|네|예|응|좋아요?|감사합니다|고마워요?|그래요?|확인|진행)+"
)
"""Chinese, Japanese and Korean put the words of one together."""
_ACKNOWLEDGING: Final = frozenset(
    "absolutely am anything certainly course else glad got happy i'm if know let me makes need noted of sense to "
    "understood welcome worked your you're".split()
)
_URGING: Final = _ENGLISH | _OTHERS
_ACKNOWLEDGED: Final = _URGING | _ACKNOWLEDGING


def says_nothing(text: str) -> bool:
    """Tell whether a message only urges on, agrees, chooses by a letter or a number, or thanks."""
    return _holds_only(text, _URGING)


def only_acknowledges(text: str) -> bool:
    """Tell whether a message of an agent says no more than that it heard: "OK, noted.", "You're welcome!"."""
    return _holds_only(text, _ACKNOWLEDGED)


def _holds_only(text: str, words: frozenset[str]) -> bool:
    if len(text) >= _LONG:
        return False
    said = _WORD.findall((text if text.isascii() else normalize("NFC", text)).lower().replace("’", "'"))
    return len(said) <= _MOST_WORDS and all(
        word in words or _SIGN.fullmatch(word) or (not word.isascii() and _UNSPACED.fullmatch(word)) for word in said
    )
