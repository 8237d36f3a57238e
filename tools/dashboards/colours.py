"""Which colour means what, and the words for a bit."""

from typing import Final

GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
ADMITS: Final = [
    {
        "type": "value",
        "options": {
            "0": {"text": "denying", "color": RED, "index": 0},
            "1": {"text": "admitting", "color": GREEN, "index": 1},
        },
    }
]
YES_IS_BAD: Final = [
    {
        "type": "value",
        "options": {
            "0": {"text": "no", "color": GREEN, "index": 0},
            "1": {"text": "yes", "color": RED, "index": 1},
        },
    }
]
YES_IS_GOOD: Final = [
    {
        "type": "value",
        "options": {
            "0": {"text": "no", "color": RED, "index": 0},
            "1": {"text": "yes", "color": GREEN, "index": 1},
        },
    }
]
