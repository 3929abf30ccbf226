"""Where the repository and the files that tests read lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = ROOT / "tests" / "voices"
PROFILES = ROOT / "tests" / "cluster" / "profiles"
