"""``shield-admitter explain``: what a PipelineRun would be told now, and by which rule."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec
import yaml

from shield_admitter.app import now_ms, utc_now
from shield_admitter.cli.options import (
    EXIT_BAD_CONFIG,
    EXIT_DENIED,
    config_option,
    fail,
    load_settings,
    output_option,
    read_once,
)
from shield_admitter.core.review import Kind, Request, UserInfo
from shield_admitter.explanation import explain_request, in_words

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path


@click.command()
@config_option
@click.option(
    "-f",
    "--filename",
    "manifest",
    type=click.File("rb"),
    required=True,
    help="The object (YAML or JSON); - for standard input.",
)
@click.option("--user", default="", help="Who creates it, as the API server knows them.")
@click.option("--group", "groups", multiple=True, help="A group of the user; may be repeated.")
@click.option("--namespace", help="Where.  [default: the object's, or default]")
@click.option("--operation", default="CREATE", show_default=True, help="What is done.")
@output_option
def explain(
    *,
    config: Path,
    manifest: BufferedReader,
    user: str,
    groups: tuple[str, ...],
    namespace: str | None,
    operation: str,
    output: str,
) -> None:
    """Say what an object would be told if it were created now, and by which rule.

    Asks Redis once for the present decision; without an answer it says so, and judges as an
    admitter without a decision does.

    Exit codes: 0 admitted, 3 denied, 2 bad configuration, object or usage.
    """
    settings = load_settings(config)
    request = _request(_read(manifest), user, groups, namespace, operation)
    held, problem = asyncio.run(read_once(settings, now_ms=now_ms))
    explanation = explain_request(
        request, held, settings, now_ms=now_ms(), utc=utc_now(), problem=problem
    )
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(explanation)).decode())
    else:
        click.echo("\n".join(in_words(explanation, settings)))
    sys.exit(0 if explanation.allowed else EXIT_DENIED)


def _read(manifest: BufferedReader) -> dict[str, Any]:
    try:
        document = yaml.safe_load(manifest)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        fail(f"{manifest.name}: not one YAML document: {error}", EXIT_BAD_CONFIG)
    if not isinstance(document, dict) or not isinstance(document.get("metadata", {}), dict):
        fail(f"{manifest.name}: not a Kubernetes object", EXIT_BAD_CONFIG)
    return document


def _request(
    document: dict[str, Any],
    user: str,
    groups: tuple[str, ...],
    namespace: str | None,
    operation: str,
) -> Request:
    metadata = document.get("metadata", {})
    group, _, version = str(document.get("apiVersion", "")).rpartition("/")
    return Request(
        uid="explain",
        operation=operation,
        kind=Kind(group, version, str(document.get("kind", ""))),
        namespace=namespace or str(metadata.get("namespace") or "default"),
        userInfo=UserInfo(user, groups),
        # YAML knows dates, which JSON does not; labels are text in any case.
        object=msgspec.Raw(msgspec.json.encode(document, enc_hook=str)),
    )
