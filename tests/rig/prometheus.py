"""A Prometheus server that scrapes given targets on loopback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.rig.errors import NoAnswerError, RigError
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.probing import answers_ok, silence_as_no_answer
from tests.rig.server import Server, program
from tests.rig.waiting import wait_until

# Prometheus hands new targets to its scrapers on a 5 s tick that no flag changes, then spreads the
# first scrapes over an interval.
FIRST_SCRAPE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class PrometheusOptions:
    """Targets, rules and intervals.

    Attributes:
        jobs: Targets (`host:port`, path `/metrics`) by job name.
        scrape_interval: A Prometheus duration, e.g. `1s` or `250ms`; also how often rules run.
        rule_files: Recording and alerting rules.
        arguments: More command-line arguments.
    """

    jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scrape_interval: str = "1s"
    rule_files: Sequence[Path] = ()
    arguments: Sequence[str] = ()


class PrometheusServer(Server):
    """One Prometheus on loopback. Replace `options` and call `reload` to scrape something else.

    It is ready long before it has samples: `wait_scraped` takes about 5 s after each change.
    """

    def __init__(
        self, rig: Rig, name: str = "prometheus", options: PrometheusOptions | None = None
    ) -> None:
        self.options = options or PrometheusOptions()
        super().__init__(rig, name)

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        config = self.directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config(), sort_keys=False))
        return [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            *self.options.arguments,
        ]

    async def is_ready(self) -> bool:
        return await answers_ok(self.rig.http, f"{self.url}/-/ready")

    async def wait_scraped(self, *, within: float = FIRST_SCRAPE_SECONDS) -> None:
        """Wait until every target of every job was scraped with success at least once.

        Raises:
            NotInTimeError: One was not after `within` seconds.
        """
        targets = {target for job in self.options.jobs.values() for target in job}

        async def all_up() -> bool:
            try:
                return targets <= (await self.query("up == 1")).keys()
            except NoAnswerError:
                return False

        await wait_until(all_up, within=within, what=f"{self.name} to scrape {sorted(targets)}")

    async def query(self, promql: str) -> dict[str, float]:
        """Run an instant query that gives a vector.

        Returns:
            The values by each sample's `instance` label (empty text without one).

        Raises:
            NoAnswerError: There was no answer.
            RigError: It was refused, or gave no vector.
        """
        url = f"{self.url}/api/v1/query"
        with silence_as_no_answer(self.name):
            async with self.rig.http.post(url, data={"query": promql}) as response:
                answer: dict[str, Any] = await response.json()
        if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
            raise RigError(f"Prometheus gave no vector for {promql}: {answer}")
        return {
            sample["metric"].get("instance", ""): float(sample["value"][1])
            for sample in answer["data"]["result"]
        }

    def _config(self) -> dict[str, Any]:
        interval = self.options.scrape_interval
        return {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,  # it may not be longer than the interval
                "evaluation_interval": interval,
            },
            "rule_files": [str(path) for path in self.options.rule_files],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(targets)}]}
                for job, targets in self.options.jobs.items()
            ],
        }
