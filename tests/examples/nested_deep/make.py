"""Thirty thousand brackets, far more than any reader stacks."""

from ait42nb.samples import dumps, session

DEEP = "[" * 30_000 + "]" * 30_000


def make(home):
    text = dumps([session(id="deep", evaluation="@"), session(id="deep-task", task="@")])
    (home / "sessions" / "36c3470dc1b6afd8.json").write_text(text.replace('"@"', DEEP))
