"""What looks like a credential in a text: masked, or counted; never quoted."""

from __future__ import annotations

import re
from collections import Counter

# ASCII boundaries, because Japanese stands next to a key without a blank. Every repetition is bounded or begins where
# the run begins, so that a hostile text costs no more than its length.
_CREDENTIALS = {
    kind: re.compile(pattern, re.ASCII)
    for kind, pattern in {
        "private_key": r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----(?:(?!-----)[\s\S]){0,20000}"
        r"(?:-----END [^-]{0,60}-----)?",
        "aws_key": r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AGPA|AROA|AIDA|ANPA|ABIA)[0-9A-Z]{16}(?![A-Za-z0-9])",
        "github_token": r"(?<![A-Za-z0-9])(?:gh[oprsu]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})",
        "gitlab_token": r"(?<![A-Za-z0-9])gl(?:pat|ptt|dt|rt|cbt|ft|oas|soat|agent)-[\w.-]{20,255}",
        "slack_token": r"(?<![A-Za-z0-9])(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,255}"
        r"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/-]{20,255}",
        "anthropic_key": r"(?<![A-Za-z0-9])sk-ant-[\w-]{16,255}",
        "openai_key": r"(?<![A-Za-z0-9])sk-(?!ant-)(?:(?:proj|svcacct|admin)-[\w-]{20,255}|[A-Za-z0-9_]{20,255})",
        "google_key": r"(?<![A-Za-z0-9])(?:AIza[\w-]{35,255}|ya29\.[\w-]{20,1024}|GOCSPX-[\w-]{20,64})",
        "json_web_token": r"(?<![\w-])eyJ[\w-]{8,8192}\.eyJ[\w-]{4,8192}(?:\.[\w-]{0,8192})?",
        "url_password": r"(?<=://)[^\s/:@•]{0,100}:[^\s/@•]{1,200}(?=@)",
        "bearer": r"(?i)(?<![a-z0-9])(?:bearer|basic)[ \t]{1,8}(?=[\w.~+/-]{0,255}[0-9])[\w.~+/-]{16,8192}={0,2}",
        "password": r"(?i)(?:password|passwd|passphrase|pwd|secret|(?:api|access|secret|private)[ _-]?key|token"
        r"|credential|パスワード|暗証番号|秘密鍵|トークン)"
        r"\\?[\"']?[ \t]{0,8}(?::=|=>|[:=：＝])[ \t]{0,8}"
        r"(?P<value>\\?\"[^\"\n•]{1,4000}\"|\\?'[^'\n•]{1,4000}'|[^\s\"'\\•,;(){}<>\[\]=][^\s\"'•,;(){}<>\[\]]{2,500})",
    }.items()
}


def _search(text: str) -> tuple[str, Counter[str]]:
    found: Counter[str] = Counter()
    for kind, pattern in _CREDENTIALS.items():

        def mask(match: re.Match[str], kind: str = kind) -> str:
            found[kind] += 1
            whole, value = match[0], match.groupdict().get("value")
            # A key's name stays: `password=` tells the reader what was there.
            return (whole[: len(whole) - len(value)] if value else "") + f"••••••({kind})"

        text = pattern.sub(mask, text)
    return text, found


def masked(text: str) -> str:
    """The text without what looks like a credential; `••••••(github_token)` stands where one was."""
    return _search(text)[0]


def count_credentials(text: str) -> Counter[str]:
    """How many things in the text look like a credential, by kind; never what they are."""
    return _search(text)[1]
