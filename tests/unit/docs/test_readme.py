"""README and concepts: the services accept the configuration there, and README's links exist."""

import re
from pathlib import Path

import pytest

from shield_admitter.settings import AdmitterSettings
from shield_common.config.loader import SettingsStruct, parse
from shield_evaluator.settings import EvaluatorSettings

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()
CONCEPTS = (ROOT / "docs" / "concepts.md").read_text()
KINDS: dict[str, type[SettingsStruct]] = {
    "evaluator": EvaluatorSettings,
    "admitter": AdmitterSettings,
}


@pytest.mark.parametrize("service", KINDS)
def test_a_service_accepts_its_configuration_in_concepts(service: str) -> None:
    found = re.search(rf"(?ms)^```yaml\n(# {service}\.yaml.*?)^```$", CONCEPTS)
    assert found is not None
    kind = KINDS[service]
    assert isinstance(parse(found[1], kind, source=service, environment={}), kind)


def test_every_relative_link_of_the_readme_exists() -> None:
    paths = re.findall(r"\]\(([^)#:]+)[^)]*\)", README)
    assert [] == [path for path in paths if not (ROOT / path).exists()]
