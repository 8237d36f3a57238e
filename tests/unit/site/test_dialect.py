"""GitHub's Markdown as Python-Markdown wants it."""

import pytest

from tools.site.dialect import for_python_markdown


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("Text:\n- a\n- b", "Text:\n\n- a\n- b", id="an empty line before a list"),
        pytest.param("- a\n  more", "- a\n    more", id="an item of two lines"),
        pytest.param("1. a\n\n   b", "1. a\n\n    b", id="a paragraph of a numbered item"),
        pytest.param("1. a\n\n   ```\n   x\n   ```", "1. a\n\n    ```\n    x\n    ```", id="code"),
        pytest.param("- a\n  - b\n    c", "- a\n    - b\n        c", id="a list in a list"),
        pytest.param("- a\n\ntext", "- a\n\ntext", id="the end of a list"),
        pytest.param("10. a\n\n    b", "10. a\n\n    b", id="a marker of four columns"),
        pytest.param("```sh kubectl\n- x\n```", "```sh\n- x\n```", id="words after a fence"),
        pytest.param("```\nText:\n- x\n```", "```\nText:\n- x\n```", id="a list in code"),
        pytest.param("a - b", "a - b", id="a dash in a sentence"),
    ],
)
def test_what_python_markdown_reads(written: str, expected: str) -> None:
    assert expected == for_python_markdown(written)
