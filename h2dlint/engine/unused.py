"""Suppression comments that silence nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from h2dlint.engine.results import Note, Suppression

_OURS = re.compile(r"#\s*h2dlint\b", re.IGNORECASE)


def unused_notes(
    path: str, suppressions: Collection[Suppression], ran: Collection[str], known: Collection[str]
) -> Iterator[Note]:
    """A note on each comment, or part of one, that is of no use.

    Nothing is said of what cannot be known: codes of rules that did not run, ``# noqa`` and ``# flake8: noqa``
    without codes, which may be there for another tool, and ``# gpu-sync-ok``, which also speaks of waits that are not
    our business.

    Args:
        path: of the file.
        suppressions: every one in it.
        ran: codes of the rules that ran on it.
        known: codes of all rules.
    """
    for each in suppressions:
        if each.codes:
            unknown = [code for code in each.codes if code not in known]
            unused = [code for code in each.codes if code in ran and code not in each.codes_used]
            parts = [f"{', '.join(unused)} {'is' if len(unused) == 1 else 'are'} not found here"] * bool(
                unused
            )
            parts += [f"there is no rule {', '.join(unknown)}"] * bool(unknown)
            if parts:
                message = f'unused suppression: "{each.text}": {"; ".join(parts)}'
                yield Note(path, each.line, message, counts=True)
        elif not each.used and _OURS.match(each.text) and set(known) <= set(ran):
            yield Note(path, each.line, f'unused suppression: "{each.text}" silences nothing', counts=True)
