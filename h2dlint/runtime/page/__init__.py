"""The page that ``h2dlint trace --html`` writes: one file, no network, and nothing that a traced program could run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shlex
from collections.abc import Sequence
from importlib.resources import files

from h2dlint.report.style import escape
from h2dlint.runtime.page.payload import Read, build, read_lines
from h2dlint.runtime.page.rows import FindingRow, Reported, SiteRow, page_notes, page_rows
from h2dlint.runtime.traces import Trace

__all__ = ["FindingRow", "Reported", "SiteRow", "page_notes", "page_rows", "render"]

_SCRIPTS = ("base.js", "timeline.js", "gestures.js", "detail.js", "table.js", "page.js")
_TOKEN = re.compile(r"@@([A-Z_]+)@@")


def render(
    trace: Trace,
    rows: Sequence[SiteRow],
    extra: Sequence[FindingRow],
    *,
    notes: Sequence[str] = (),
    read: Read = read_lines,
    root: str | None = None,
) -> str:
    """The page as text, in ASCII.

    Names, source and paths come from the traced program and are taken for hostile: they are in the page as JSON only,
    in which no ``<`` is left, the script writes them as text, and the content security policy lets no other script run.

    Args:
        trace: a recorded run; it may be empty.
        rows: what the linter says of its sites, as `page_rows` gives it; a site without a row has no rule.
        extra: findings under which nothing blocked.
        notes: what else the reader has to know, one line each, as `page_notes` gives them.
        read: gives the lines of a file for the frames of a chain, or ``None`` where it has none.
        root: files in this folder are shown relative to it; by default the working directory.
    """
    style = _asset("page.css")
    script = '(() => {\n"use strict";\n' + "\n".join(map(_asset, _SCRIPTS)) + "})();\n"
    data = json.dumps(build(trace, rows, extra, notes, read, root), separators=(",", ":"), allow_nan=False)
    # With no `<` in it, no text can end the element that holds it.
    data = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    command = escape(shlex.join(trace.command))
    values = {
        "TITLE": html.escape(f"h2dlint trace: {command}" if command else "h2dlint trace"),
        "POLICY": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; "
        "form-action 'none'",
        "STYLE": style,
        "SCRIPT": script,
        "DATA": data,
    }
    # In one go: what is filled in is not looked at again.
    page = _TOKEN.sub(lambda match: values[match[1]], _asset("page.html"))
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _asset(name: str) -> str:
    # The hash of the policy is over the bytes that a browser sees: line ends must not depend on the checkout.
    return files(__package__).joinpath(name).read_text(encoding="ascii").replace("\r\n", "\n")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("ascii")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
