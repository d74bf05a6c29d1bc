"""What can be wrong with the settings."""

from __future__ import annotations


class ConfigError(Exception):
    """The configuration or an option cannot be used; the message is one line, fit to be printed."""
