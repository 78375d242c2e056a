"""Every table of bench/, one after the other. `make bench` calls it.

The comparison with sentence-transformers appears where the extra is installed: pip install 'memento-memory[torch]'.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TABLES = {
    "Embedding": "embedding.py",
    "Cold start of `memento recall`": "cold_start.py",
    "Vector search": "search.py",
    "The native scan": "native.py",
    "Tiers and caches": "tiers.py",
    "A recall's stages": "warm.py",
    "Ingestion": "ingest.py",
    "Parsing against json": "parsing.py",
    "Policy": "policy.py",
    "Hooks": "hooks.py",
    "MCP": "mcp.py",
    "The sidecar": "watch.py",
}


def main() -> None:
    """Run them all; stop at the first that fails."""
    folder = Path(__file__).resolve().parent
    for title, script in TABLES.items():
        print(f"\n## {title}\n", flush=True)
        subprocess.run([sys.executable, str(folder / script)], check=True)


if __name__ == "__main__":
    main()
