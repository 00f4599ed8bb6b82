"""A terminal of 20 MB in one message: about what memory_limit holds by default."""

from ait42nb.samples import dumps, message, session


def make(home):
    capture = "│ ok │\r\n" * 1_400_000
    records = [
        session(id="huge-before"),
        session(
            id="huge", chatHistory=[message(id="huge-m1", content=capture), message(id="huge-m2", content="Short.")]
        ),
        session(id="huge-after"),
    ]
    (home / "sessions" / "c04001f9d86fbd31.json").write_text(dumps(records), encoding="utf-8")
