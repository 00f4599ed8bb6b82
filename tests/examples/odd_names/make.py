"""Names that are awkward in a checkout. Other names than *.json are nobody's business."""

import json

from ait42nb.samples import session

NAMES = "*", "[ab]", "a", "<b>o'clock", 'a "copy"; drop table sessions--', "two\nlines"


def make(home):
    for number, name in enumerate(NAMES):
        (home / "sessions" / f"{name}.json").write_text(json.dumps([session(id=f"odd-{number}")]))
    for name in "notes.txt", "a.json.bak", "json", ".DS_Store":
        (home / "sessions" / name).write_text("not mine")
