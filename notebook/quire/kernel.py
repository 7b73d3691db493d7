"""The IPython kernel of a notebook, where this process is one."""

import os
import shlex
import sys
from typing import Any


def shell() -> Any | None:
    """The shell that runs the cells, or None if this process is no kernel."""
    # Nothing is imported for the question: what runs in a kernel has IPython there already.
    ipython = sys.modules.get("IPython")
    found = getattr(ipython, "get_ipython", lambda: None)()
    return found if hasattr(found, "kernel") else None


def cell(path: str) -> str:
    """What IPython calls the cell that was compiled as the file `path` (`In[4]`), or "" if it is none."""
    running = shell()
    told = running.compile.format_code_name(path) if running else None
    return told[1] if told else ""


def command() -> str:
    """What runs the notebook anew; "" if its name is not known."""
    name = os.path.basename(os.environ.get("JPY_SESSION_NAME", ""))  # noqa: PTH119 - it may be no path
    return shlex.join(["jupyter", "execute", name]) if name.endswith(".ipynb") else ""
