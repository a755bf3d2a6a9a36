"""Language codes: as users write them, and as containers store them."""

from __future__ import annotations

from helios.errors import UsageError

_QUICKTIME = (
    "bod:tib cym:wel deu:ger ell:gre eus:baq fas:per hye:arm isl:ice kat:geo mkd:mac msa:may mya:bur nld:dut sqi:alb "
    "swe:sve zho:chi amh ara asm aym aze bel ben bul cat ces dan dzo eng epo est fin fra grn guj heb hin hun ind ita "
    "jav jpn kan kas kaz khm kin kir kor kur lao lat lav lit mal mar mlg mlt mon nep nor nya ori orm pol por pus que "
    "ron run rus san sin slk slv snd som spa swa tam tat tel tgk tgl tha tir tuk tur uig ukr urd uzb vie yid"
)
"""The languages QuickTime has a number for; after a colon, the older code that ffmpeg knows it by."""


def parse_language(text: str) -> str:
    """Returns the three-letter ISO 639 code for a two- or three-letter one such as ``en``; drops a region (``en-GB``).

    Raises:
        UsageError: no language has this code.
    """
    from langcodes import Language, tag_is_valid  # here: it takes a while, and few videos need it
    from langcodes.tag_parser import LanguageTagError

    code = text.strip().replace("_", "-").partition("-")[0]
    try:
        if tag_is_valid(code):
            return Language.get(code, normalize=False).to_alpha3()
    except (LanguageTagError, LookupError):
        pass
    raise UsageError(f"{text!r} is not a language code: use one such as en or eng")


def container_language(language: str, suffix: str) -> str:
    """Returns the code that a container (such as ``.mov``) stores for a three-letter language code.

    Raises:
        UsageError: the container has no code for the language.
    """
    if suffix != ".mov":
        return language
    codes = {code: other or code for code, _, other in (word.partition(":") for word in _QUICKTIME.split())}
    code = codes.get(language, language)
    if code not in codes.values():
        raise UsageError(f".mov has no code for the language {language}: use .mp4, .mkv or .webm")
    return code
