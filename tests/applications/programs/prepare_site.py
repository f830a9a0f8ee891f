"""Makes a site of Wagtail in the current folder, with its database."""

import subprocess
import sys
from pathlib import Path

BINARIES = Path(sys.executable).parent

subprocess.run(
    [str(BINARIES / "wagtail"), "start", "shop", "."], check=True, stdout=subprocess.DEVNULL
)
subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], check=True)
