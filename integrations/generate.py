"""Write the agents' plugins (`make integrations`); what they hold is in `app/memento_app/integrations/`."""

from pathlib import Path

from memento_app.integrations.plugins import write

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    for name in write(root):
        print(f"{'wrote' if (root / name).exists() else 'removed'} {name}")
