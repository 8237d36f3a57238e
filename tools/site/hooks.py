"""mkdocs calls these while it builds the site (mkdocs.yml, `hooks`).

Form: https://www.mkdocs.org/user-guide/configuration/#hooks
"""

import re
import sys
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # mkdocs loads this file by its path, without its package

from tools.site.commands import reference  # noqa: E402 - needs the path above
from tools.site.dialect import for_python_markdown  # noqa: E402
from tools.site.links import rewritten  # noqa: E402

# Files outside docs/ that the site shows, and the page of each.
PAGES: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "SECURITY.md": "reporting.md",
    "deploy/helm/etcd-shield/README.md": "chart.md",
    "docs/adr": "adr/index.md",
}
# Sections of other pages that the navigation offers as pages of their own.
SECTIONS: Final = {
    "decision-document.md": ("architecture.md", "The decision document"),
    "status.md": ("runbook.md", "Reading the status page"),
}


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401 - mkdocs is not installed where this is type-checked
    """Add the pages that come from elsewhere."""
    made = {
        page: (ROOT / source).read_text()
        for source, page in PAGES.items()
        if (ROOT / source).is_file() and page != "index.md"
    }
    # Alone, the chart is called what the product is; here it is one part of it.
    made["chart.md"] = made["chart.md"].replace("# etcd-shield", "# The chart and its values", 1)
    made["commands.md"] = reference()
    made["adr/index.md"] = _records()
    made |= {page: _section(source, heading) for page, (source, heading) in SECTIONS.items()}
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:  # noqa: ANN401 - as above
    """Make links and lists of a page those of the site."""
    path = page.file.src_uri
    source = {made: original for original, made in PAGES.items()}.get(path)
    if source is None or path in {"index.md", "adr/index.md"}:
        source = f"docs/{path}"
    repository = config["extra"]["repository"].rstrip("/")
    text = rewritten(
        markdown,
        source=source,
        page=path,
        pages=PAGES,
        url=lambda file: f"{repository}/{'tree' if (ROOT / file).is_dir() else 'blob'}/main/{file}",
    )
    return for_python_markdown(text)


def _records() -> str:
    lines = [
        "# Decisions",
        "",
        "Why it is as it is: one record for each choice that could be reversed.",
        "",
    ]
    for record in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        title = record.read_text().partition("\n")[0].removeprefix("# ")
        if not record.name.startswith("0000"):
            lines.append(f"- [{title}](adr/{record.name})")
    # Written as if it were docs/adr.md, whose links the site makes relative to this page.
    return "\n".join(lines).replace("](adr/", "](") + "\n"


def _section(page: str, heading: str) -> str:
    text = (ROOT / "docs" / page).read_text()
    found = re.search(rf"^## {re.escape(heading)}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"docs/{page} has no section {heading}")
    return found[0].replace("## ", "# ", 1).replace("](#", f"]({page}#")
