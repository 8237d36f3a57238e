"""Which metrics a PromQL expression asks for: enough of the grammar for our rules and panels."""

import re

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_SELECTORS = re.compile(r"\{[^{}]*\}")
_RANGES = re.compile(r"\[[^\[\]]*\]")
_LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_NAMES = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*(?!\s*\(|[\w:])")
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "by", "without"}


def metric_names(expression: str) -> set[str]:
    """Return the names of the metrics that an expression selects."""
    text = expression
    for noise in (_STRINGS, _SELECTORS, _RANGES, _LABEL_LISTS):
        text = noise.sub(" ", text)
    return {name for name in _NAMES.findall(text) if name.lower() not in _WORDS}
