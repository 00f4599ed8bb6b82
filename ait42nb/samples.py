"""Made-up homes, written exactly as the editor writes them: for the demo, the tests and the benchmark.

Nothing in them is anybody's: person, projects and chats are invented. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import accumulate, chain, pairwise
from pathlib import Path
from random import Random
from typing import Any

from ait42nb.errors import Ait42Error, HomeError

Record = dict[str, Any]


# --- Records and their text -------------------------------------------------------------------------------------------


def session(**overrides: Any) -> Record:
    """A session as the editor writes it: every key, in its order; overrides by JSON key, unknown keys come last."""
    return {
        "id": "5f0c1d9e-7a34-4c58-9b1e-2f6d8a90c3b7",
        "type": "competition",
        "task": "Refresh the token before it expires.",
        "status": "completed",
        "createdAt": "2025-11-01T09:00:00.123456789+00:00",
        "updatedAt": "2025-11-01T09:30:00.000Z",
        "completedAt": "2025-11-01T09:30:00.000Z",
        "instances": [],
        "chatHistory": [],
        "model": None,
        "timeoutSeconds": 300,
        "preserveWorktrees": False,
        "winnerId": None,
        "runtimeMix": None,
        "totalDuration": None,
        "totalFilesChanged": None,
        "totalLinesAdded": None,
        "totalLinesDeleted": None,
        **overrides,
    }


def instance(**overrides: Any) -> Record:
    """An instance as the editor writes it; see `session`."""
    return {
        "instanceId": 1,
        "worktreePath": "/home/aki/src/app/src-tauri/.worktrees/competition-5f0c1d9e/instance-1",
        "branch": "claude-competition-1",
        "agentName": "claude",
        "status": "completed",
        "tmuxSessionId": "ait42-claude-competition-5f0c1d9e-1",
        "output": None,
        "startTime": "2025-11-01T09:00:00.123456789+00:00",
        "endTime": None,
        "filesChanged": None,
        "linesAdded": None,
        "linesDeleted": None,
        "runtime": "claude",
        "model": "sonnet",
        "runtimeLabel": "Claude Code",
        **overrides,
    }


def message(**overrides: Any) -> Record:
    """A chat message as the editor writes it; see `session`."""
    return {
        "id": "msg-1761987660000",
        "role": "user",
        "content": "Does it also work with an empty list?",
        "timestamp": "2025-11-01T09:01:00.000Z",
        "instanceId": None,
        **overrides,
    }


def dumps(value: Any) -> str:
    """The text that the editor (serde_json's `to_string_pretty`) would write for `value`.

    For all that the editor stores the two agree byte for byte. They differ only in floats, which stand in unknown keys
    alone: serde writes `1e-7`, `1e16` and `0.00001` where Python writes `1e-07`, `1e+16` and `1e-05`, and `null` for
    NaN and infinities, which are refused here.
    """
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


# Python indents in Python, not in C: ten times slower. A list of flat records is one call to the C encoder, with the
# separator that stands between their keys. What is replaced afterwards holds raw newlines, which no JSON string can.
_encode_flat = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",\n        ", ": ")).encode


def _session_text(record: Record) -> str:
    text = dumps([record | {"instances": [], "chatHistory": []}])[2:-2]
    for key in ("instances", "chatHistory"):
        if record[key]:
            items = _encode_flat(record[key])[2:-2].replace("},\n        {", "\n      },\n      {\n        ")
            text = text.replace(f'\n    "{key}": []', f'\n    "{key}": [\n      {{\n        {items}\n      }}\n    ]')
    return text


# --- What people talk about -------------------------------------------------------------------------------------------

# Each workspace with two tasks: file and symbol, the task in English, in Japanese. The first have the most sessions.
_PROJECTS = """
/home/aki/src/ait42-editor
src/store/history.ts loadSessions
The history board freezes with ten thousand sessions. Load them page by page.
セッションが1万件あると履歴ボードが固まります。ページ単位で読み込むようにしてください🙏
src-tauri/src/commands/tmux.rs capture_pane
Captured tmux output appears twice when the panel is opened again. Find out why and fix it.
パネルを開き直すとtmuxの出力が二重に表示されます。原因を調べて直してください。

/home/aki/src/kakeibo
src/budget/monthly.ts sumByCategory
Monthly totals are a day off around midnight. Add up in the user's time zone.
深夜をまたぐと月次の合計が1日ずれます。利用者のタイムゾーンで集計してください。
src/components/Chart.tsx useChartData
Draw the spending chart without a library: 300 kB are too much for two bars.
支出グラフをライブラリなしで描いてください。棒2本のために300kBは重すぎます📉

/home/aki/仕事/請求書システム
app/invoice/pdf.py render_invoice
Invoices with more than twenty lines lose their footer. Look at the page breaks.
明細が20行を超えると請求書のフッターが消えます。改ページを見直してください。
app/tax/rounding.py round_tax
Round the consumption tax once an invoice, not once a line.
消費税の端数処理を、明細ごとではなく請求書ごとに一度だけ行うようにしてください。

/home/aki/src/weather-api
weather/forecast.py fetch_forecast
The provider answers 429 at noon. Retry with backoff and keep the last good answer ☔
正午になると提供元が429を返します。バックオフ付きで再試行し、直前の結果を残してください☔
weather/cache.py get_or_load
A hundred requests for one city load it a hundred times. One load, the others wait.
同じ都市への100リクエストで100回読み込んでいます。読み込みは1回にして、残りは待たせてください。

/home/aki/プロジェクト/議事録まとめ🎤
minutes/speakers.py split_speakers
Two people with similar voices become one speaker. Compare approaches on the three recordings.
声の似た2人が同じ話者になってしまいます。3つの録音で方法を比べてください。
minutes/export.py to_markdown
Export the minutes as Markdown, decisions first, with a link to the second in the recording.
議事録をMarkdownで書き出してください。決定事項を先頭に、録音の該当秒へのリンク付きで📝

/home/aki/src/tiny-router
router/tree.go InsertRoute
A wildcard hides the static route that was added after it. Make the order irrelevant.
ワイルドカードが、後から追加した静的ルートを隠してしまいます。追加順に依存しないようにしてください。
router/match.go MatchPath
Matching allocates three times a request. Get it down to none and show the benchmark.
マッチングでリクエストごとに3回アロケーションが起きます。ゼロにしてベンチマークを見せてください🚀

/home/aki/work/shop-frontend
src/cart/checkout.ts submitOrder
A double click orders twice. Make the order idempotent, not just the button.
ダブルクリックで二重注文になります。ボタンだけでなく、注文自体を冪等にしてください。
tests/e2e/checkout.spec.ts fillAddress
This test fails one time in twenty on CI. Find the race, do not add a sleep.
このテストはCIで20回に1回落ちます。sleepを足さずに、競合の原因を見つけてください。

/home/aki/src/形態素解析
src/lattice.rs best_path
「すもももももももものうち」 takes 40 ms. Profile the lattice and make it linear.
「すもももももももものうち」に40ミリ秒かかります。ラティスを計測して線形にしてください。
src/dict/loader.rs load_dictionary
Map the dictionary into memory instead of reading 80 MB at every start.
起動のたびに80MBを読むのをやめて、辞書をメモリマップにしてください。

/home/aki/Documents/論文 2025
scripts/figures.py plot_results
Figure 3 has no error bars, and its labels overlap in the two-column layout.
図3にエラーバーがなく、2段組でラベルが重なります。直してください📊
scripts/bib.py normalise_entry
Japanese authors come out family name last in the bibliography. Keep the order of the source.
参考文献で日本人著者の姓名が逆になります。元の順序を保ってください。

/home/aki/dotfiles
bin/backup.sh rotate_backups
Rotation deletes the newest backup when the clock was wrong. Keep at least three, always.
時計がずれていると最新のバックアップが消えます。必ず3世代は残してください。
install.sh link_all
Do not overwrite files that are no links of ours; say which, and go on.
自分のリンクでないファイルは上書きせず、名前を表示して続けるようにしてください。

/mnt/nas/共有/社内ポータル
api/upload.go HandleUpload
Uploads over 100 MB are held in memory. Stream them to disk.
100MBを超えるアップロードがメモリに載ります。ディスクへストリームしてください。
api/search.go SearchDocuments
Searching for a two-character word finds nothing (認証, 会議). Fix it without a new service.
2文字の単語（認証、会議）で検索しても何も見つかりません。新しいサービスなしで直してください🔍

/home/aki/src/game-of-life-🦀
src/grid.rs next_generation
Use bit-parallel rows and compare with the plain version on a thousand random boards.
行をビット並列にして、1000個のランダム盤面で素朴な実装と比べてください👾
src/render.rs draw_frame
The terminal flickers at 60 frames a second. Draw only the cells that changed.
60fpsで端末がちらつきます。変化したセルだけ描いてください。
"""

_ASKS = {
    "en": """
Write a failing test first.
No new dependencies, please.
Keep the diff small.
Leave the public API as it is.
Explain the cause in the commit message.""",
    "ja": """
まず失敗するテストを書いてください。
依存関係は増やさないでください。
差分は小さくお願いします。
公開APIは変えないでください。
原因はコミットメッセージに書いてください。""",
}

# The first comes with a stack trace.
_QUESTIONS = {
    "en": """
The test still fails here. Could you look at the log again?
Before you change `SYMBOL`: what does it do today?
Please split this into two commits.
Looks good. Does it also work with an empty list?
Where else is `SYMBOL` called from?
Undo the rename in `FILE`, please; other branches use the old name.
Run the whole suite once more and show me only the failures.
Why not simply catch the error here?
How does this compare with what instance 2 did?
Nice 👍 Now the documentation.
continue""",
    "ja": """
手元ではまだテストが落ちます。ログをもう一度見てもらえますか？
`SYMBOL`を変更する前に、今の動きを説明してください。
コミットを2つに分けてください。
よさそうです。空の配列でも動きますか？
`SYMBOL`はほかにどこから呼ばれていますか？
`FILE`の名前変更は元に戻してください。ほかのブランチで使っています。
全体のテストをもう一度流して、失敗だけ見せてください。
ここで例外を握りつぶすのはなぜですか？
インスタンス2の案と比べて、どちらがよいですか？
いいですね👍 次はドキュメントをお願いします。
続けて""",
}

_OPENINGS = {
    "en": """
I read `FILE` and the three places that call `SYMBOL`.
Found it: the fault is in `SYMBOL`, not where the error appears.
I reproduced it with a test before touching anything.
Short answer: yes, but only by luck.
Done. The change stays inside `FILE`.""",
    "ja": """
`FILE`と、`SYMBOL`の呼び出し元3か所を確認しました。
原因は`SYMBOL`にありました。エラーが出る場所ではありません。
変更の前に、まずテストで再現しました。
結論から言うと、はい。ただし偶然動いているだけです。
完了しました✅ 変更は`FILE`の中だけです。""",
}

_FINDINGS = {
    "en": """
`SYMBOL` reads the state twice, and between the two reads another caller may change it. Under light load this never \
shows. I take one snapshot at the top now and work on that, which also makes the function easier to test.
The boundary was off by one: the last element went into the next group, and the group after it started empty. Nobody \
noticed because the totals still agreed. The new test fails on the old code and names the missing element.
Instead of a second cache I made the first one right: its key left out the locale, so two users could see each other's \
result. The key has all inputs of `SYMBOL` now, and entries from before are simply not found any more.
There were two ways to do this. I took the one with fewer moving parts: no background thread, no timer, only a check \
when `SYMBOL` is called. It costs one comparison a call, which I could not measure.
The error was swallowed four frames up, so the caller carried on with an empty value and failed much later. I let it \
pass, and turn it into one clear sentence at the edge, where somebody can do something about it.""",
    "ja": """
`SYMBOL`は状態を2回読んでおり、その間に別の呼び出しが値を変えることがあります。負荷が低いと表面化しません。\
先頭で一度だけ読み、その値で処理するようにしました。
境界が1つずれていて、最後の要素が次のグループに入っていました。合計は合うので誰も気づきませんでした。\
新しいテストは元のコードで失敗し、欠けた要素の名前を示します。
キャッシュを増やす代わりに、今あるものを正しくしました。キーにロケールが含まれておらず、\
他の利用者の結果が見えることがありました。
方法は2つありましたが、部品の少ない方を選びました。スレッドもタイマーもなく、\
`SYMBOL`の呼び出し時に一度比較するだけです。
エラーが4階層上で握りつぶされ、空の値のまま処理が続いていました。そのまま伝え、\
入口で分かりやすい一文にして表示します。""",
}

_CLOSINGS = {
    "en": """
All {} tests pass in {} s.
{} tests pass ({} s); the two skipped ones need the network.
{} passed in {} s. Shall I squash the commits?
Next I would look at the callers. {} tests, {} s, all green.""",
    "ja": """
テスト{}件がすべて成功しました（{}秒）。
{}件成功、失敗なし、{}秒でした。
{}件のテストが{}秒で通りました。コミットをまとめましょうか？
次は呼び出し元を確認します。{}件・{}秒、すべて成功です🎉""",
}

_DIFF = "```diff\n--- a/FILE\n+++ b/FILE\n@@ -41,6 +41,7 @@\n{}\n```"
# A file's suffix -> code, a diff and a stack trace in its language.
_BLOCKS = {
    "py": (
        "```python\ndef test_SYMBOL_keeps_the_last_one():\n    got = SYMBOL([1, 2, 3])\n    assert got[-1] == 3\n```",
        _DIFF.format("-    rows = load()\n+    rows = tuple(load())  # one snapshot\n     return SYMBOL(rows)"),
        'Traceback (most recent call last):\n  File "FILE", line 57, in SYMBOL\n    raise ValueError(value)\n'
        "ValueError: None",
    ),
    "ts": (
        "```ts\nit('keeps the last one', async () => {\n  expect(await SYMBOL([1, 2, 3])).toHaveLength(3);\n});\n```",
        _DIFF.format("-  const items = SYMBOL(state);\n+  const items = useMemo(() => SYMBOL(state), [state]);"),
        "TypeError: Cannot read properties of undefined (reading 'length')\n    at SYMBOL (FILE:57:21)\n"
        "    at async Promise.all (index 2)",
    ),
    "rs": (
        "```rust\n#[test]\nfn keeps_the_last_one() {\n    assert_eq!(SYMBOL(&[1, 2, 3]).last(), Some(&3));\n}\n```",
        _DIFF.format("-    let state = self.state.lock().unwrap();\n+    let state = self.state.lock()?.clone();"),
        "thread 'main' panicked at FILE:57:21:\nindex out of bounds: the len is 3 but the index is 3\n"
        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
    ),
    "go": (
        "```go\nfunc TestSYMBOL(t *testing.T) {\n\tif got := SYMBOL(1, 2, 3); got != 3 {\n\t\tt.Fatal(got)\n\t}\n}\n"
        "```",
        _DIFF.format("-\treturn SYMBOL(buf)\n+\tdefer pool.Put(buf)\n+\treturn SYMBOL(buf)"),
        "panic: runtime error: invalid memory address or nil pointer dereference\ngoroutine 34 [running]:\n"
        "main.SYMBOL(0x0)\n\tFILE:57 +0x21",
    ),
    "sh": (
        '```sh\nSYMBOL() {\n  set -eu\n  find "$1" -maxdepth 1 -type f | sort | head -n -3\n}\n```',
        _DIFF.format('-  rm -rf $1/*\n+  rm -rf -- "${1:?no folder given}"/*'),
        "FILE: line 57: SYMBOL: No such file or directory\nmake: *** [Makefile:12: check] Error 127",
    ),
}

_PANE_TOP = "╭──────────────────────────╮\n│ \x1b[1m✻ Welcome to Claude Code\x1b[0m │\n╰──────────────────────────╯\n\n"
_PANE_LINES = (
    "\x1b[32m●\x1b[0m Read(FILE)\n  ⎿  \x1b[2mRead {} lines (ctrl+r to expand)\x1b[0m\n",
    "\x1b[32m●\x1b[0m Update(FILE)\n  ⎿  Updated with \x1b[1m{}\x1b[0m additions and 4 removals\n",
    "\x1b[33m✻ Pondering…\x1b[0m \x1b[2m({}s · esc to interrupt)\x1b[0m\n",
    "\x1b[2K\x1b[36m██████████░░░░\x1b[0m {}%  SYMBOL\n",
    "\x1b[32m✓\x1b[0m FILE \x1b[2m> SYMBOL > case {}\x1b[0m\n",
    "\x1b[31m✗\x1b[0m FILE \x1b[2m> SYMBOL > case {}\x1b[0m\n   └─ expected 3, got 2\n",
    "├── 変更 {} 件\n│   ├── FILE\n│   └── README.md\n",
)

_LANGUAGES = "jejejmejeejmejejeemj"  # Japanese, English, mixed: 40, 45 and 15 %
_KINDS = ("competition", "ensemble", "competition", "debate", "competition", "ensemble", "competition")
_STATUSES = (
    *("completed", "completed", "failed", "completed", "completed", "paused"),
    *("completed", "running", "completed", "completed", "failed"),
)
_RUNTIMES = {  # label, model, emoji
    "claude": ("Claude Code", "sonnet", "🤖"),
    "codex": ("Codex (OpenAI)", "gpt-4", "🧠"),
    "gemini": ("Gemini CLI", "gemini-1.5-pro", "✨"),
}
_ROLES = ("🏛️ 設計者 (Architect)", "⚙️ 実務者 (Pragmatist)", "💡 革新者 (Innovator)")


class _Talk:
    """What can be said about one task in one language; each text is chosen by random bits."""

    def __init__(self, file: str, symbol: str, language: str) -> None:
        def about(texts: Iterable[str]) -> list[str]:
            return [text.replace("FILE", file).replace("SYMBOL", symbol) for text in texts]

        own, other = ("en", "en") if language == "e" else ("ja", "en" if language == "m" else "ja")
        self.asks = _ASKS[other].split("\n")[1:]
        *self.blocks, trace = about(_BLOCKS[Path(file).suffix[1:3]])
        self.questions = about((_QUESTIONS[own] + (_QUESTIONS[other] if own != other else "")).split("\n")[1:])
        self.questions[0] += f"\n\n{trace}"
        self.openings = about(_OPENINGS[own].split("\n")[1:])
        self.findings = about(_FINDINGS[other].split("\n")[1:])
        self.closings = _CLOSINGS[own].split("\n")[1:]
        self.pane_lines = about(_PANE_LINES)

    def question(self, bits: int) -> str:
        return self.questions[bits % len(self.questions)]

    def answer(self, bits: int) -> str:
        opening, finding, block = self.openings[bits % 5], self.findings[(bits >> 6) % 5], self.blocks[bits >> 12 & 1]
        closing = self.closings[bits >> 18 & 3].format((bits >> 20) % 400 + 3, (bits >> 30) % 900 / 10)
        return f"{opening}\n\n{finding}\n\n{block}\n\n{closing}"

    def pane(self, rng: Random, characters: int) -> str:
        """What tmux shows: at least so many characters, with colours and boxes."""
        text = [_PANE_TOP]
        while characters > 0:
            bits = rng.getrandbits(32)
            text.append(self.pane_lines[bits % 7].format((bits >> 8) % 99 + 1))
            characters -= len(text[-1])
        return "".join(text)


_talk = cache(_Talk)


# --- When -------------------------------------------------------------------------------------------------------------

_DAY = 86_400_000
_END = 1_764_460_800_000  # 2025-11-30T00:00:00Z: the last day of a year of history


@lru_cache(maxsize=4096)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")


def _javascript_time(ms: int) -> str:
    return f"{_minute(ms // 60_000)}{ms // 1000 % 60:02}.{ms % 1000:03}Z"


def _rust_time(ms: int) -> str:
    # Nanoseconds made up from the milliseconds, and odd: chrono would leave out three zeros at the end.
    return f"{_minute(ms // 60_000)}{ms // 1000 % 60:02}.{ms % 1000:03}{ms * 7919 % 1_000_000 | 1:06}+00:00"


def _starts(seed: int, workspace: int, count: int) -> list[int]:
    """When the sessions of one workspace began: in a part of the year of its own, by day, seldom at weekends."""
    rng = Random(f"{seed}/starts/{workspace}")
    span = 365 * (0.3 + 0.7 * rng.random())
    starts = []
    for _ in range(count):
        day = int(_END // _DAY - rng.random() * span)
        if (day + 3) % 7 >= 5 and rng.random() < 0.8:
            day -= 2
        starts.append(day * _DAY + int(rng.triangular(0, 15, 6) * 3_600_000))  # 9 to 24 o'clock in Japan
    return sorted(starts)


# --- Sessions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """What `write_home` was asked for, and what that means for session number `ordinal`."""

    sessions: int
    instances: int
    messages: int
    seed: int
    anomalies: bool

    def stamp(self, ms: int) -> str:
        return _rust_time(ms) if self.anomalies else _javascript_time(ms)

    def tick(self, ms: int, ordinal: int) -> int:
        """In a home in order no two sessions share a millisecond: the remainder is the session's number."""
        return ms if self.anomalies else ms - ms % self.sessions + self.sessions + ordinal

    def instance_count(self, ordinal: int) -> int:
        if not self.anomalies:
            return self.instances
        # The editor's dialogs take two to ten.
        return min(max(2, self.instances + (0, -1, 1, 0, 2, -2)[ordinal % 6]), max(10, self.instances))

    def message_count(self, ordinal: int, rng: Random) -> int:
        if not self.anomalies:
            return self.messages
        return round(self.messages * (1.0, 0.4, 1.6, 0.0, 2.0)[ordinal % 5] * (0.75 + rng.random() / 2))


@dataclass(frozen=True)
class _Workspace:
    number: int
    path: str
    tasks: tuple[list[str], ...]
    first: int
    starts: list[int]
    only_shell: bool


def _workspaces(plan: _Plan, files: int) -> Iterator[_Workspace]:
    projects = [block.split("\n") for block in _PROJECTS.strip().split("\n\n")]
    # Used with an early editor, whose dialogs did not save: nothing in these files tells the path (A12).
    only_shell = {files - 1, *([files // 2] if files >= 8 else [])} if plan.anomalies and files >= 3 else set()
    shares = list(accumulate((number**-0.5 for number in range(1, files + 1)), initial=0.0))
    bounds = [round(plan.sessions * share / shares[-1]) for share in shares]
    before: list[int] = []
    for number, (first, last) in enumerate(pairwise(bounds)):
        path, *tasks = projects[number % len(projects)]
        if number >= len(projects):
            path += f"-{number // len(projects) + 1}"
        own = _starts(plan.seed, number, last - first)
        # Two windows, one millisecond: some sessions begin together and come to share message ids (A4).
        shared = before[1 : len(own) : 6] if plan.anomalies else []
        starts = sorted(shared + own[len(shared) :])
        yield _Workspace(number, path, (tasks[:3], tasks[3:]), first, starts, number in only_shell)
        before = own


def _competing(base: Record, runtimes: list[str], created: str, workspace: str | None) -> Record:
    """A competition or ensemble at its birth: as its dialog makes it, or (no workspace) as the app shell does (A1)."""
    kind, short = base["type"], base["id"][:8]
    if workspace is not None:
        folder, branch = f"{workspace}/src-tauri/.worktrees/competition-{short}/instance-", ""
    else:
        folder, branch = f"/tmp/worktree-{kind[:4] if kind == 'competition' else 'ens'}-{base['id']}-", f"{base['id']}-"
    title = f"{'🏆' if kind == 'competition' else '🎯'} {_shortened(base['task'])}"
    instances = []
    for number, runtime in enumerate(runtimes, 1):
        label, model, emoji = _RUNTIMES[runtime]
        instances.append(
            instance(
                instanceId=number if workspace is not None else number - 1,
                worktreePath=f"{folder}{number}",
                branch=f"{runtime}-{kind}-{branch}{number}",
                agentName=runtime if workspace is not None else f"{title} {emoji} #{number} ({created[11:16]})",
                status="running",
                tmuxSessionId=f"ait42-{runtime}-{kind}-{short}-{number}",
                startTime=created,
                runtime=runtime,
                model=model,
                runtimeLabel=label,
            )
        )
    born = base | {"createdAt": created, "updatedAt": created, "instances": instances}
    if workspace is None:
        return born | {"runtimeMix": list(dict.fromkeys(runtimes))}
    return born | {"runtimeMix": runtimes, "timeoutSeconds": 300, "preserveWorktrees": len(runtimes) > 3}


def _debate(base: Record, count: int, created: str, workspace: str) -> Record:
    """A debate at its birth, as the app shell makes it: its roles numbered from 0, in one worktree."""
    instances = [
        instance(
            instanceId=number,
            worktreePath=f"{workspace}/src-tauri/.worktrees/debate-{base['id'][:8]}/debate-workspace",
            branch=f"debate-{base['id'][:8]}",
            agentName=f"{_ROLES[number % 3]} - {_shortened(base['task'])} ({created[11:16]})",
            status="running",
            tmuxSessionId=f"debate-{base['id']}",
            output="",
            startTime=created,
            **dict.fromkeys(("filesChanged", "linesAdded", "linesDeleted"), 0),
            **dict.fromkeys(("runtime", "model", "runtimeLabel")),
        )
        for number in range(count)
    ]
    return base | {"createdAt": created, "updatedAt": created, "instances": instances}


def _debate_progress(base: Record, created: str) -> Record:
    """What the editor's debate loop saves at each round, before the shell's copy comes: task and instances are gone."""
    totals = dict.fromkeys(("totalFilesChanged", "totalLinesAdded", "totalLinesDeleted"), 0)
    return base | {"task": "Debate in progress", "createdAt": created, "updatedAt": created, **totals}


def _shortened(task: str) -> str:
    task = " ".join(task.split())
    return task if len(task) <= 50 else f"{task[:47]}..."


def _live(plan: _Plan, rng: Random, record: Record, talk: _Talk, status: str, ordinal: int, start: int) -> None:
    """What happens to a session after its birth: a chat, and an end."""
    # The panel shows the second copy's instances while it stores into the first, which may have none.
    ids = [item["instanceId"] for item in record["instances"]] or [1, 2]
    record["chatHistory"], last = _chat(plan, rng, talk, ids, ordinal, start)
    record["status"] = status
    if record["chatHistory"]:
        record["updatedAt"] = plan.stamp(last + 3)
    if status in ("completed", "failed"):
        _finish(plan, rng, record, ordinal, start, last + 60_000 + rng.getrandbits(20))
    elif status == "paused":
        record["updatedAt"] = _javascript_time(last + 90_000)
        for number, item in enumerate(record["instances"] if plan.anomalies else ()):
            item["status"] = "idle" if number else "paused"  # A8
    if record["type"] == "ensemble" and plan.anomalies:
        record["integrationPhase"] = "completed" if record["completedAt"] else "in_progress"  # A7
        record["integrationInstanceId"] = ids[0]


def _chat(plan: _Plan, rng: Random, talk: _Talk, ids: list[int], ordinal: int, clock: int) -> tuple[list[Record], int]:
    """The messages, and when the last came: the pane when the chat is opened, then questions and answers."""
    messages = []
    clock += 20_000 + clock % 40_000
    for position in range(plan.message_count(ordinal, rng)):
        clock = plan.tick(clock, ordinal)
        # What comes first follows from the clock alone, so that sessions that begin together share ids (A4).
        bits = rng.getrandbits(64) if position else clock
        if position % 2 or not position:
            number = ids[(bits >> 9) % len(ids)]
        if not position:
            whole = plan.anomalies and ordinal % 8 == 2
            pane = talk.pane(rng, 10_500 + bits % 6_000 if whole else 150)  # A3
            key, role, content = f"history-{number}-{clock}", "system", f"📜 Tmux Session History:\n\n{pane}"
        elif position % 2:
            key, role, content = f"msg-{clock}", "user", talk.question(bits)
        else:
            key, role, content = f"msg-{clock}-response", "assistant", talk.answer(bits)
        messages.append(
            message(
                id=key,
                role=role,
                content=content,
                timestamp=_javascript_time(clock),
                instanceId=number or None,  # the panel stores `selected || undefined`
            )
        )
        last, clock = clock, clock + (600 + bits % 900 if role == "user" else 9_000 + bits % 150_000)
    return messages, last if messages else clock


def _finish(plan: _Plan, rng: Random, record: Record, ordinal: int, start: int, end: int) -> None:
    instances = record["instances"]
    for item in instances:
        bits = rng.getrandbits(32)
        item |= {"status": record["status"], "endTime": plan.stamp(end - bits % 50_000)}
        item |= {"filesChanged": bits % 13 + 1, "linesAdded": bits % 397, "linesDeleted": bits % 151}
    if instances:
        record["totalDuration"] = (end - start) // 1000
        for name in ("FilesChanged", "LinesAdded", "LinesDeleted"):
            record[f"total{name}"] = sum(item[name[0].lower() + name[1:]] for item in instances)
    if instances and record["type"] == "competition" and record["status"] == "completed" and ordinal % 2 == 0:
        record["winnerId"] = instances[-1]["instanceId"]
        if plan.anomalies:
            # The winner panel completes a session without touching its times (A6).
            _confirm_winner(rng, record, (end - start) // 1000, _javascript_time(end))
            return
    record["completedAt"] = record["updatedAt"] = _javascript_time(end)


def _confirm_winner(rng: Random, record: Record, seconds: int, now: str) -> None:
    """What the winner panel does: measure and rank all instances (A7), and archive all but the winner (A8)."""
    for item in record["instances"]:
        bits = rng.getrandbits(32)
        # No multiple of ten, or the scores would be whole floats, which JavaScript writes as integers.
        complexity = bits % 7 * 10 + bits % 9 + 1
        item |= {"testsPassed": bits % 90 + 1, "testsFailed": 0, "codeComplexity": complexity}
        item["executionTime"] = seconds - bits % 40
    ranked = sorted(record["instances"], key=lambda item: item["codeComplexity"])
    counted = ("filesChanged", "linesAdded", "linesDeleted", "executionTime")
    measured = (*counted, "testsPassed", "testsFailed", "codeComplexity")
    scores = []
    for rank, item in enumerate(ranked, 1):
        simplicity = (100 - item["codeComplexity"]) * 3 / 10
        scores.append(
            {key: item[key] for key in ("instanceId", "agentName", "runtime")}
            | {"totalScore": 40 + simplicity + 12 + 7, "metrics": {key: item[key] for key in measured}}
            | {"rank": rank, "isRecommended": rank <= 3}
            | {
                "scoreBreakdown": {
                    "testScore": 40,
                    "complexityScore": simplicity,
                    "efficiencyScore": 12,
                    "changeScore": 7,
                }
            }
        )
    record["winnerId"] = next(item["instanceId"] for item in ranked if item["instanceId"])  # 0 cannot be chosen
    for item in ranked:
        if item["instanceId"] != record["winnerId"]:
            item["status"] = "archived"
    evaluation = {"competitionId": record["id"], "evaluatedAt": now, "scores": scores}
    record["evaluation"] = evaluation | {"recommendedWinnerId": ranked[0]["instanceId"]}


def _sessions(plan: _Plan, workspace: _Workspace) -> Iterator[Record]:
    """The sessions of one workspace as they stand in its file, oldest first."""
    for ordinal, began in enumerate(workspace.starts, workspace.first):
        rng, start = Random(f"{plan.seed}/session/{ordinal}"), plan.tick(began, ordinal)
        language, status, kind = (cycle[ordinal % len(cycle)] for cycle in (_LANGUAGES, _STATUSES, _KINDS))
        place, english, japanese = rng.choice(workspace.tasks)
        talk = _talk(*place.split(" "), language)
        base = session(
            id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            type="competition" if kind == "debate" and workspace.only_shell else kind,
            task=f"{english if language == 'e' else japanese}\n{rng.choice(talk.asks)}",
            status="running",
            **dict.fromkeys(("completedAt", "timeoutSeconds", "preserveWorktrees")),
        )
        if base["type"] == "debate":
            count = 3 if plan.anomalies else plan.instances
            copies = [_debate(base, count, _javascript_time(start + 70), workspace.path)]
            if plan.anomalies and ordinal // len(_KINDS) % 2:
                copies.insert(0, _debate_progress(base, _rust_time(start)))
        else:
            runtimes = sorted(rng.choices(list(_RUNTIMES), (6, 3, 2), k=plan.instance_count(ordinal)))
            copies = [] if workspace.only_shell else [_competing(base, runtimes, plan.stamp(start), workspace.path)]
            if plan.anomalies:
                copies.append(_competing(base, runtimes, _javascript_time(start + 2_400 + start % 900), None))
        _live(plan, rng, copies[0], talk, status, ordinal, start)  # every update takes the first match (A2)
        yield from copies


def _broken_sessions() -> Iterator[Record]:
    """Records that have to be held. The first is of the editor's own making: a debate cut off in its second round."""
    yield session(id="b4a9d1a0-debate", type="debate", task="Debate in progress", status="round_2", completedAt=None)
    undated = session(id="b4a9d1a0-undated", task="Written by a version that did not store when a session began.")
    del undated["createdAt"]
    yield undated
    yield session(id="b4a9d1a0-large", task="日本語の差分が大きすぎる件 😱", totalLinesAdded=2**32)


# --- Homes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SampleHome:
    """A home that `write_home` wrote, and what it wrote into it."""

    home: Path
    mapping: dict[str, str]
    """Workspace hash -> path, of every file."""
    sessions: int
    """Elements of all arrays, shadows included; of a truncated file those that are whole."""
    shadowed: int
    """Those of them that are a session's second copy (A1)."""
    instances: int
    messages: int
    bytes: int


def write_home(
    home: Path,
    *,
    sessions: int = 150,
    files: int = 12,
    instances_per_session: int = 3,
    messages_per_session: int = 20,
    seed: int = 42,
    anomalies: bool = True,
    broken: bool = False,
) -> SampleHome:
    """Write `{home}/sessions/{hash}.json` for `files` workspaces that hold `sessions` sessions together.

    With `anomalies` the home is as homes are (A1 to A9; the default size has all of them): shadows come on top of
    `sessions`, and the numbers a session are means. Without, every session stands once, in order, with exactly these
    numbers. `broken` adds three records that have to be held, a truncated file, one that is no array and an empty one.

    Raises:  HomeError, when the home already has sessions
    """
    folder = home / "sessions"
    if folder.exists() and any(folder.iterdir()):
        raise HomeError(folder, "there are sessions already", "Name a new or empty folder; nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    plan = _Plan(sessions, instances_per_session, messages_per_session, seed, anomalies)
    mapping: dict[str, str] = {}
    counts: Counter[str] = Counter()

    def file_of(workspace: str) -> Path:
        mapping[_hash(workspace)] = workspace
        return folder / f"{_hash(workspace)}.json"

    for workspace in _workspaces(plan, files):
        extra = _broken_sessions() if broken and workspace.number == 0 else ()
        counts += _write_sessions(file_of(workspace.path), chain(_sessions(plan, workspace), extra))
    if broken:
        three = dumps([session(id=f"d3nt4ku0-{number}", task="電卓に括弧を足してください。") for number in range(3)])
        for path, text in (("電卓", three[:-400]), ("blog", "{}"), ("scratch", "")):
            file_of(f"/home/aki/src/{path}").write_text(text, encoding="utf-8", newline="\n")
        counts["sessions"] += 2
    size = sum(path.stat().st_size for path in folder.iterdir())
    numbers = {name: counts[name] for name in ("sessions", "shadowed", "instances", "messages")}
    return SampleHome(home=home, mapping=mapping, bytes=size, **numbers)


def _write_sessions(path: Path, records: Iterable[Record]) -> Counter[str]:
    """One file, one session after the other: memory does not grow with the home."""
    counts, before = Counter(), None
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(f"{',' if before else '['}\n{_session_text(record)}")
            counts["sessions"] += 1
            counts["shadowed"] += record["id"] == before
            counts["instances"] += len(record["instances"])
            counts["messages"] += len(record["chatHistory"])
            before = record["id"]
        file.write("\n]" if before else "[]")
    return counts


def write_mapping(sample: SampleHome, only: Iterable[str] | None = None) -> Path:
    """Write `{home}/workspace_mapping.json`, with every hash or those in `only`."""
    chosen = sample.mapping if only is None else {key: sample.mapping[key] for key in only}
    path = sample.home / "workspace_mapping.json"
    path.write_text(dumps(chosen), encoding="utf-8", newline="\n")
    return path


def _hash(workspace: str) -> str:
    """A file's name, for a workspace that needs no normalising: it does not exist here and ends in no slash."""
    return hashlib.sha256(workspace.encode()).hexdigest()[:16]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m ait42nb.samples", description="Write a made-up home.")
    parser.add_argument("home", type=Path, help="a new or empty folder")
    for name, default, help_text in (
        ("sessions", 150, "in all files together"),
        ("files", 12, "one a workspace"),
        ("instances-per-session", 3, "a mean, unless --in-order"),
        ("messages-per-session", 20, "a mean, unless --in-order"),
        ("seed", 42, "the same seed gives the same bytes"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{help_text} ({default})")
    parser.add_argument("--in-order", dest="anomalies", action="store_false", help="without what real homes are like")
    parser.add_argument("--broken", action="store_true", help="with records and files that have to be held")
    parser.add_argument("--mapping", action="store_true", help="with workspace_mapping.json")
    asked = vars(parser.parse_args(arguments))
    mapping = asked.pop("mapping")
    try:
        sample = write_home(**asked)
    except Ait42Error as error:
        parser.exit(1, f"{error}\n")
    if mapping:
        write_mapping(sample)
    print(
        f"{sample.home}: {len(sample.mapping)} files, {sample.sessions:,} sessions ({sample.shadowed:,} shadows), "
        f"{sample.instances:,} instances, {sample.messages:,} messages, {sample.bytes / 1e6:,.1f} MB"
    )


if __name__ == "__main__":
    main()
