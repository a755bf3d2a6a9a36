"""Codes of languages."""

from __future__ import annotations

from helios.errors import UsageError

_LETTERS = (
    "aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel bg:bul bi:bis "
    "bm:bam bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre cs:ces cu:chu cv:chv cy:cym da:dan de:deu "
    "dv:div dz:dzo ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas ff:ful fi:fin fj:fij fo:fao fr:fra fy:fry "
    "ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye hz:her ia:ina "
    "id:ind ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kg:kon ki:kik kj:kua kk:kaz "
    "kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor ky:kir la:lat lb:ltz lg:lug li:lim ln:lin lo:lao "
    "lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya na:nau nb:nob nd:nde "
    "ne:nep ng:ndo nl:nld nn:nno no:nor nr:nbl nv:nav ny:nya oc:oci oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol "
    "ps:pus pt:por qu:que rm:roh rn:run ro:ron ru:rus rw:kin sa:san sc:srd sd:snd se:sme sg:sag si:sin sk:slk sl:slv "
    "sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk "
    "tl:tgl tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln "
    "wo:wol xh:xho yi:yid yo:yor za:zha zh:zho zu:zul"
)
"""ISO 639-1's two letters, and ISO 639-2/T's three, which is what files of videos have."""

_QUICKTIME = (
    "bod:tib cym:wel deu:ger ell:gre eus:baq fas:per hye:arm isl:ice kat:geo mkd:mac msa:may mya:bur nld:dut sqi:alb "
    "swe:sve zho:chi amh ara asm aym aze bel ben bul cat ces dan dzo eng epo est fin fra grn guj heb hin hun ind ita "
    "jav jpn kan kas kaz khm kin kir kor kur lao lat lav lit mal mar mlg mlt mon nep nor nya ori orm pol por pus que "
    "ron run rus san sin slk slv snd som spa swa tam tat tel tgk tgl tha tir tuk tur uig ukr urd uzb vie yid"
)
"""What QuickTime has a number for, some of it by an older code, behind the colon."""


def parse_language(text: str) -> str:
    """The code of three letters for one of two or three, such as ``en``; a region behind it (``en-GB``) is left out.

    Raises:
        UsageError: it is none.
    """
    code = text.strip().replace("_", "-").partition("-")[0].lower()
    known: str | None = _pairs(_LETTERS).get(code)
    if known:
        return known
    if len(code) == 3 and code.isascii() and code.isalpha():
        return code
    raise UsageError(f"{text!r} is no language: write its code, such as en or eng")


def language_code(language: str, suffix: str) -> str:
    """How a container, by its ending, names a language of ISO 639-2/T.

    Raises:
        UsageError: it has no name for it.
    """
    if suffix != ".mov":
        return language
    known = _pairs(_QUICKTIME)
    code = known.get(language, language)
    if code not in known.values():
        raise UsageError(f".mov can't say that subtitles are in {language}: .mp4, .mkv and .webm can")
    return code


def _pairs(text: str) -> dict[str, str]:
    words = (word.partition(":") for word in text.split())
    return {code: other or code for code, _, other in words}
