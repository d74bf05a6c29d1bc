"""Files in, reports out: discovery, settings, suppressions, running rules, applying fixes.

Nothing here prints, reads the environment or exits.
"""
