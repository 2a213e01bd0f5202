"""What the container runtime refuses, in the words that kubelet passes on from a real one."""

from __future__ import annotations

from pgnb_rehearsal.errors import RehearsalError


class ImageNotFound(RehearsalError):
    """No such image: kubelet shows ErrImagePull, then ImagePullBackOff."""


class StartError(RehearsalError):
    """A container or a command in it could not be started.

    `reason` and `exit_code` are what kubelet shows in lastState.terminated; `message` is the runtime's text.
    """

    def __init__(self, message: str, *, reason: str = "StartError", exit_code: int = 128) -> None:
        super().__init__(message)
        self.reason = reason
        self.exit_code = exit_code


class ContainerGone(RehearsalError):
    """The container or sandbox has ended, so that nothing can be started or connected in it."""
