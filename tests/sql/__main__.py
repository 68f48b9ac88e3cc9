"""Write the SQL files anew: `python -m tests.sql`, from the root of the project."""

from __future__ import annotations

from .texts import FOLDER, texts

if __name__ == "__main__":
    for stale in FOLDER.rglob("*.sql"):
        stale.unlink()
    for name, text in texts().items():
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path.relative_to(FOLDER))
