"""Hydra's sweep syntax as regular expressions, for the values that a key may have.

Editors read them as JavaScript does in its Unicode mode, which has fewer escapes than Python.
"""

import re
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hydra.core.override_parser.overrides_parser import OverridesParser

WHOLE = r"[-+]?\d[\d_]*"
NUMBER = r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?"
POSITIVE = r"\+?(?=[\d.]*[1-9])(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
INTERPOLATED = r"\$\{[^}]+\}"
ANY = r"[^(),]+"
QUOTE = "['\"]"
WORDS = {
    bool: "[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[01]",
    int: WHOLE,
    float: NUMBER,
    NoneType: "null",
}

# Hydra's functions that change what is in their brackets: the type, or only the order.
_OWN = {"choice", "glob", "interval", "range", "tag", "extend_list"}
_REORDER = {"shuffle", "sort"}
_ALL = OverridesParser.create().functions.functions.keys()
_CONVERT = "|".join(sorted(_ALL - _OWN - _REORDER))


def sweep(hint: Any, *, is_group: bool = False) -> str:
    """Returns the pattern of what may be searched for a key of a type, or for a config group."""
    form, converted = _form(_values(hint), _numbers(hint)), _form(ANY, NUMBER)
    reorder = "|".join(sorted(_REORDER))
    forms = [
        form,
        _changed(reorder, form),
        _changed(_CONVERT, _either(converted, _changed(reorder, converted))),
        _changed(reorder, _changed(_CONVERT, converted)),
    ]
    return f"^{_either(*forms, *([r'glob[(].+[)]'] if is_group else []))}$"


def _form(values: str, number: str | None) -> str:
    """A choice or, for numbers, an interval or a range."""
    one = f" *{values} *"
    forms = [rf"choice\(({'.+' if values == ANY else f'{one}(,{one})*'})\)", f"{one}(,{one})+"]
    return _either(*forms, *(_of_numbers(number) if number else ()))


def _of_numbers(number: str) -> tuple[str, ...]:
    counted = rf"range\({_bound(number)}(,{_bound(number)}){{0,2}}\)"
    interval, above_0 = (rf"interval\({_bound(one)},{_bound(one)}\)" for one in (NUMBER, POSITIVE))
    log = rf"tag\( *log *, *{_either(above_0, _changed('int|float', above_0))} *\)"
    if number == WHOLE:  # an interval has fractions
        return counted, rf"tag\( *log *, *{_changed('int', above_0)} *\)"
    return interval, counted, log


def _bound(number: str) -> str:
    return rf" *(\w+ *= *)?{number} *"


def _changed(functions: str, form: str) -> str:
    return rf"({functions})\( *{form} *(, *reverse *= *(true|false) *)?\)"


def _values(hint: Any) -> str:
    """A value of a type; quotes around it do not matter."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    words = [
        "|".join(map(re.escape, get_args(kind))) if get_origin(kind) is Literal else WORDS.get(kind)
        for kind in kinds
    ]
    return ANY if None in words else f"({QUOTE}?({'|'.join(words)}){QUOTE}?|{INTERPOLATED})"


def _numbers(hint: Any) -> str | None:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((WORDS[kind] for kind in (float, int) if kind in kinds), None)


def _either(*forms: str) -> str:
    return f"({'|'.join(forms)})"
