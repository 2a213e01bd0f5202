"""Enters a wrapper with errand.py as its process, and prints what came of it.

enter.py DIRECTORY → {"pid": PID 1 of the wrapper, "port": of the errand's listener} or {"error": text}
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.pods import wrapper

if __name__ == "__main__":
    directory = Path(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0))
    os.set_inheritable(listener.fileno(), True)
    errand = [sys.executable, str(Path(__file__).with_name("errand.py")), str(directory)]
    try:
        pid = wrapper.enter([*errand, str(listener.fileno())], [listener.fileno()], log=directory / "log")
    except RehearsalError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({"pid": pid, "port": listener.getsockname()[1]}))
