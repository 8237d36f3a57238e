"""The configuration page is what the types say, and leaves no key unexplained."""

import pytest

from tools.configuration_doc import PAGE, keys, page
from tools.settings_schema import KINDS


def test_the_page_is_current() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run `make generate`"


@pytest.mark.parametrize("service", KINDS)
def test_every_key_is_explained(service: str) -> None:
    assert [] == [key.path for key in keys(KINDS[service]) if not key.meaning]
