"""Version 1 of the json format, as a JSON schema."""

from __future__ import annotations

from typing import Any


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_POSITION = {"type": "integer", "minimum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_CODE = {"type": "string", "pattern": "^HTD[0-9]{3}$"}
_SPAN = {"line": _POSITION, "column": _POSITION, "end_line": _POSITION, "end_column": _POSITION}

_CELL = {"oneOf": [{"type": "null"}, _POSITION]}

_EDIT = _object({"cell": _CELL, **_SPAN, "content": _TEXT})
_FIX = _object(
    {
        "applicability": {"enum": ["safe", "unsafe", "display-only"]},
        "title": _TEXT,
        "edits": {"type": "array", "items": _EDIT},
    }
)
_GAIN = _object(
    {
        "negated_by_line": {"oneOf": [{"type": "null"}, _POSITION]},
        "idle_us": {"type": ["number", "null"]},
        "note": {"type": ["string", "null"]},
    }
)
_TRACE = _object(
    {
        "status": {"enum": ["confirmed", "ran-without-blocking", "ran", "never-ran", "unknown"]},
        "count": _COUNT,
        "blocked": _COUNT,
        "held_us": {"type": "number", "minimum": 0},
        "max_us": {"type": "number", "minimum": 0},
        "bytes": _COUNT,
        "among": {"type": "integer", "minimum": 1},
    }
)
_FINDING = _object(
    {
        "path": _TEXT,
        "cell": _CELL,
        **_SPAN,
        "code": _CODE,
        "name": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "message": {"type": "string", "pattern": r"^[^\n]*[^\n.]$"},
        "function": {"type": ["string", "null"]},
        "context": {"enum": ["hot", "warm", "cold"]},
        "confidence": {"enum": ["high", "medium", "low"]},
        "effect": {"enum": ["blocks", "may-block", "hazard"]},
        "evidence": {"type": "array", "items": _TEXT},
        "group": {"type": ["string", "null"]},
        "gain": {"oneOf": [{"type": "null"}, _GAIN]},
        "trace": {"oneOf": [{"type": "null"}, _TRACE]},
        "fix": {"oneOf": [{"type": "null"}, _FIX]},
    }
)
_ERROR = _object(
    {
        "path": _TEXT,
        "cell": _CELL,
        "line": {"oneOf": [{"type": "null"}, _POSITION]},
        "kind": {"enum": ["syntax", "encoding", "unreadable", "too-large", "internal"]},
        "message": _TEXT,
    }
)
_NOTE = _object({"path": _TEXT, "line": _POSITION, "message": _TEXT})
_SUMMARY = _object(
    {
        "files_checked": _COUNT,
        "findings": _COUNT,
        "by_code": {"type": "object", "propertyNames": _CODE, "additionalProperties": _COUNT},
        "by_context": _object({"hot": _COUNT, "warm": _COUNT, "cold": _COUNT}),
        "by_confidence": _object({"high": _COUNT, "medium": _COUNT, "low": _COUNT}),
        "fixable": _object({"safe": _COUNT, "unsafe": _COUNT, "display-only": _COUNT}),
        "hidden": _object({"cold": _COUNT, "low_confidence": _COUNT, "unchanged": _COUNT}),
        "baseline": _COUNT,
        "suppressed": _COUNT,
        "fixed": _COUNT,
        "errors": _COUNT,
    }
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        {
            "version": {"const": 1},
            "findings": {"type": "array", "items": _FINDING},
            "errors": {"type": "array", "items": _ERROR},
            "notes": {"type": "array", "items": _NOTE},
            "summary": _SUMMARY,
        }
    ),
}
