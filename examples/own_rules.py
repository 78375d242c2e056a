"""Rules of your own: a tag for ticket numbers, and a secret that no shipped rule knows.

The two files below would lie in `~/.memento/policies/` (docs/policies.md); they change what is kept from then on.

Prints:

    kept with the tags ['decision', 'remember', 'ticket:hb-1204']
    Remember that we decided to close HB-1204: the key [REDACTED:harbour_key] is no longer used.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from memento import AutoMemory

TAGS = r"""
tags:
  - name: ticket
    patterns: ['\bHB-\d+']
    extract: '\b(HB-\d+)\b'
    limit: 3
"""
REDACTION = r"""
rules:
  - {name: harbour_key, kind: harbour_key, pattern: '\bquay_[0-9a-z]{12}\b'}
"""

with TemporaryDirectory() as folder:
    policies = Path(folder) / "policies"
    policies.mkdir()
    (policies / "tags.yaml").write_text(TAGS)
    (policies / "redaction.yaml").write_text(REDACTION)
    os.environ["MEMENTO_HOME"] = folder

    with AutoMemory(session_id="monday") as memory:
        seen = memory.observe("Remember that we decided to close HB-1204: the key quay_a1b2c3d4e5f6 is no longer used.")
        print(f"kept with the tags {sorted(seen.decision.tags)}")
        print(memory.store.get_recent(1)[0].text)
