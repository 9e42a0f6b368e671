"""Saved pictures in a real browser: alone, and in a notebook that nbconvert has converted.

They are compared with those in ``pictures/``, which TRAINJOB_PICTURES=renew replaces (see ``pictures.mjs``).
TRAINJOB_SCREENSHOTS=folder stores a screenshot of each.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from jupyter_trainjob.client.snapshot import Snapshot, State
from jupyter_trainjob.rendering import picture
from tests.ui import tools
from tests.ui.scenes import states
from tests.unit.widget.jobs import series_of
from tests.waiting import patience

HERE = Path(__file__).parent


def test_saved_pictures_are_rendered_in_chromium(tmp_path: Path) -> None:
    pictures = tools.screenshots()
    rendered = {name: picture.render_html(job.moment, job.series()) for name, job in states.jobs().items()}
    rendered |= {name: picture.render_html(moment, series_of({})) for name, moment in crowded().items()}
    file = tmp_path / "pictures.json"
    file.write_text(json.dumps({"pictures": rendered, "pages": {"nbconvert": converted(rendered["running"])}}))
    print(
        tools.run(
            HERE / "saved-pictures.mjs",
            file,
            tools.chromium(),
            *([pictures] if pictures else []),
            timeout=patience(100),
        )
    )


def crowded() -> dict[str, Snapshot]:
    """Return jobs with long texts, which nearly fill the picture."""
    job = states.jobs()["running"].moment
    return {
        "wide": replace(
            job,
            name="W" * 40 + "-x7k2p",
            context="gke_" + "my-project_" * 20,
            runtime="torch-distributed-" * 5,
            phases=tuple(replace(phase, name=f"{phase.name}MMMM", started=0.0, ended=4_000.0) for phase in job.phases),
        ),
        "waiting": replace(job, state=State.QUEUED, reason="Insufficient WWWWWW/MMMMMM. " * 40),
        "numbers": replace(job, metrics={f"metric/MMMM_{i}": -1.234e-8 * i for i in range(60)}),
    }


def converted(html: str) -> str:
    """Return the page of a notebook with that output, which has the widget's form as well."""
    forms = {
        "application/vnd.jupyter-trainjob.v1+json": {"name": "digits-x7k2p"},
        "application/vnd.jupyter.widget-view+json": {"model_id": "gone", "version_major": 2, "version_minor": 1},
        "text/html": html,
        "text/plain": "digits",
    }
    output = nbformat.v4.new_output("display_data", data=forms)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%%trainjob", outputs=[output])])
    exporter = HTMLExporter()  # type: ignore[no-untyped-call]
    exporter.mathjax_url = exporter.require_js_url = exporter.jquery_url = exporter.mermaid_js_url = ""
    page, _ = exporter.from_notebook_node(notebook)
    return str(page)
