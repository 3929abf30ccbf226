"""How long the silences are that a text asks for, in seconds.

| where | silence |
| --- | --- |
| a sentence's end inside a segment | the model's own |
| a line's end, `<br>`, `<s>` | LINE |
| a blank line, a heading, a divider, `<p>` | PARAGRAPH |
| `<break time=…>` | as asked, up to LONGEST_BREAK |
| `<break strength=…>` | STRENGTHS |

Lines of a few letters share a segment, with full stops between them; the end of a text has no silence but a `<break>`.
"""

from __future__ import annotations

LINE = 0.35
PARAGRAPH = 0.6
LONGEST_BREAK = 10.0  # as long as most speech services grant
STRENGTHS = {"none": 0.0, "x-weak": 0.1, "weak": 0.2, "medium": 0.4, "strong": 0.7, "x-strong": 1.2}
