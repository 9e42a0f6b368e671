"""Directives that show `reference_tables`: ``{commands} MODULE:FUNCTION`` of a parser, and one for each table."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import reference_tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "job-options": reference_tables.job_options,
    "server-settings": reference_tables.server_settings,
    "forwarded-requests": reference_tables.forwarded_requests,
    "cluster-settings": reference_tables.cluster_settings,
    "refused-pod-fields": reference_tables.refused_pod_fields,
    "ignored-pod-fields": reference_tables.ignored_pod_fields,
}


class TableDirective(SphinxDirective):
    """Show one of the `TABLES`."""

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown of the table."""
        return self.parse_text_to_nodes("\n".join(TABLES[self.name]()))


class CommandsDirective(SphinxDirective):
    """Document the parser that a function returns, with its subcommands."""

    required_arguments: ClassVar = 1

    def run(self) -> list[nodes.Node]:
        """Parse the Markdown of the commands."""
        module, _, function = self.arguments[0].partition(":")
        parser = getattr(importlib.import_module(module), function)()
        return self.parse_text_to_nodes("\n".join(reference_tables.commands(parser)), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("commands", CommandsDirective)
    for name in TABLES:
        app.add_directive(name, TableDirective)
    return {"parallel_read_safe": True}
