"""The one family of errors. Records never raise: what is wrong with them becomes rows (`migration_rejects`)."""

from __future__ import annotations

from pathlib import Path


class Ait42Error(Exception):
    """Something that stops a run: where it is, what is wrong, and what to do next.

    Prints as `{where}: {problem}. {remedy}.`; the library's own exception, if there was one, is `__cause__`.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        self.where, self.problem, self.remedy = str(where), problem.rstrip("."), remedy.rstrip(".")
        super().__init__(f"{self.where}: {self.problem}. {self.remedy}.")

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: a person reads one sentence in the notebook, not a stack."""
        return [str(self)]


class SettingsError(Ait42Error):
    """A parameter that does not exist, or a value that cannot be understood."""


class HomeError(Ait42Error):
    """The home cannot be used: missing, not a folder, not readable or not writable."""


class RunInProgress(Ait42Error):
    """Another run holds the home."""


class SourceError(Ait42Error):
    """The mapping file, or another file that a person wrote, cannot be used."""


class EngineError(Ait42Error):
    """DuckDB or its SQLite extension cannot be used here."""


class OutOfMemory(EngineError):
    """`memory_limit` is too small for the largest record."""


class DiskFull(Ait42Error):
    """No space is left where the run has to write."""


class DatabaseRefused(Ait42Error):
    """The database cannot be used as it is: foreign schema, newer version, changed migration, corruption."""


class DatabaseLocked(Ait42Error):
    """Another program holds the database's write lock."""


class BackupRefused(Ait42Error):
    """A backup is damaged, hostile or not there."""


class VerificationFailed(Ait42Error):
    """A stored value differs from its source, or the books do not balance: nothing was published."""


class StrictRefused(Ait42Error):
    """Under `strict` something is held back, or in conflict: nothing was published."""


class FleetFailed(Ait42Error):
    """Some homes of a fleet were not migrated, or there is no Dask to do it."""


class MigrationFailed(Ait42Error):
    """The run failed; raised by the notebook's last cell, after the report."""
