"""An interrupt of the test's own process, as ■ in a notebook or Ctrl+C sends one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pgnb.core.wait import wait_until


@contextmanager
def interrupted(when: Callable[[], object]) -> Iterator[None]:
    """Send SIGINT to the main thread once `when()` is true: the block is in what is interrupted by then.

    SIGINT has Python's own handler meanwhile: who runs in the background of a shell inherits it as ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main, failures = threading.main_thread(), []

    def send() -> None:
        try:
            wait_until("what is to be interrupted", when, bool, timeout=60)
        except Exception as error:
            failures.append(error)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        sender.join()
        signal.signal(signal.SIGINT, before)
    assert not failures, failures
