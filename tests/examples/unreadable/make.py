"""What git cannot hold: a folder, a pipe, and links that lead to a file inside the home, out of it and nowhere."""

import os

from ait42nb.samples import dumps, session


def make(home):
    sessions = home / "sessions"
    (home / "kept.txt").write_text(dumps([session(id="unr-linked")]))
    (home.parent / "outside.json").write_text("[]")
    (sessions / "folder.json").mkdir()
    os.mkfifo(sessions / "pipe.json")
    (sessions / "0inside.json").symlink_to("../kept.txt")
    (sessions / "link-out.json").symlink_to(home.parent / "outside.json")
    (sessions / "link-nowhere.json").symlink_to("gone.json")
