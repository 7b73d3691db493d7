"""The script that draws charts in the browser: Vega, Vega-Lite and vega-embed from vl-convert, offline."""

import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

# Vega compiles its expressions to functions unless it is given the interpreter; under the page's policy,
# which allows no `eval`, the page asks for the interpreter with `ast: true`.
_SCRIPT = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())"


@cache
def bundle() -> bytes:
    """The bundle, made once for each version of vl-convert and kept in the user's cache.

    It is made in a process of its own, since bundling takes 150 MB and seconds, which no server should.

    Raises:
        RuntimeError: vl-convert could not make it.
    """
    path = _cache() / f"vega-{version('vl-convert-python')}.js"
    if not path.exists():
        done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, check=False, timeout=120)
        if done.returncode:
            raise RuntimeError(f"vl-convert made no bundle: {done.stderr.decode(errors='replace')[-500:]}")
        try:
            _keep(path, done.stdout)
        except OSError:
            # A home that cannot be written costs the next run some seconds, no more.
            return done.stdout
    return path.read_bytes()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quire"


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
