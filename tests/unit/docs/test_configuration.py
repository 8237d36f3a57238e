"""The configuration page is generated from the settings and explains every key."""

import pytest

from tools.configuration_doc import PAGE, keys, page
from tools.settings_schema import KINDS


def test_the_configuration_page_is_generated_from_the_settings() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run `make generate`"


@pytest.mark.parametrize("service", KINDS)
def test_every_setting_has_an_explanation(service: str) -> None:
    assert [] == [key.path for key in keys(KINDS[service]) if not key.meaning]
