"""ait42nb moves the AIT42 editor's session history from JSON files to SQLite, and proves that nothing was lost."""

__version__ = "0.1.0"
