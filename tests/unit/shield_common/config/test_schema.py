"""The published JSON Schemas are what the settings' types say."""

import json

import pytest

from tools.settings_schema import DOCS, KINDS, schema


@pytest.mark.parametrize("service", KINDS)
def test_the_published_schema_is_what_the_code_says(service: str) -> None:
    page = DOCS / f"{service}.schema.json"
    assert page.read_text() == schema(service), "run `make generate`"


@pytest.mark.parametrize("service", KINDS)
def test_an_unknown_key_is_refused(service: str) -> None:
    assert False is json.loads(schema(service))["additionalProperties"]


def test_a_default_reads_as_in_a_file() -> None:
    assert "5s" == json.loads(schema("evaluator"))["properties"]["interval"]["default"]
