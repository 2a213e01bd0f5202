"""Getting a container's image, and what kubelet says when it can't be had."""

from __future__ import annotations

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.controllers.events import EventRecorder
from pgnb_rehearsal.node.backoff import CRASH_FIRST, BackOff
from pgnb_rehearsal.node.states import ContainerState, Waiting
from pgnb_rehearsal.pods.errors import ImageNotFound
from pgnb_rehearsal.pods.images import Image
from pgnb_rehearsal.pods.runtime import Runtime


class Puller:
    """Tries for the image of one container. After a failure `pause` is the time until the next try (seconds);
    the container's state says ErrImagePull and ImagePullBackOff in turn, or ErrImageNeverPull."""

    def __init__(self, runtime: Runtime, events: EventRecorder) -> None:
        self._runtime = runtime
        self._events = events
        self._back_off = BackOff(at_once=False)
        self._failed = ""
        self.pause = 0.0

    def pull(self, pod: Object, container: ContainerState) -> Image | None:
        """The image, or None when there is none to be had now."""
        name = container.spec["image"]
        if self._failed:
            self._wait(pod, container, name)
            return None
        try:
            image = self._runtime.image(name)
        except ImageNotFound as error:
            self._refuse(pod, container, name, str(error))
            return None
        text = f'Container image "{name}" already present on machine and can be accessed by the pod'
        self._events.normal(pod, "Pulled", text, field=container.field_path)
        return image

    def _refuse(self, pod: Object, container: ContainerState, name: str, why: str) -> None:
        if container.spec.get("imagePullPolicy") == "Never":
            text = f'Container image "{name}" is not present with pull policy of Never'
            self._say(pod, container, "ErrImageNeverPull", text)
            self._say(pod, container, "Failed", "Error: ErrImageNeverPull")
            container.state = Waiting("ErrImageNeverPull", text)
            self.pause = CRASH_FIRST
            return
        self._events.normal(pod, "Pulling", f'Pulling image "{name}"', field=container.field_path)
        self._say(pod, container, "Failed", f'Failed to pull image "{name}": {why}')
        self._say(pod, container, "Failed", "Error: ErrImagePull")
        container.state = Waiting("ErrImagePull", why)
        self._failed = why
        self.pause = self._back_off.pause()

    def _wait(self, pod: Object, container: ContainerState, name: str) -> None:
        """Between two tries the state says that there is a pause."""
        self._say(pod, container, "BackOff", f'Back-off pulling image "{name}"', warning=False)
        self._say(pod, container, "Failed", "Error: ImagePullBackOff")
        text = f'Back-off pulling image "{name}": ErrImagePull: {self._failed}'
        container.state = Waiting("ImagePullBackOff", text)
        self._failed = ""

    def _say(
        self, pod: Object, container: ContainerState, reason: str, text: str, *, warning: bool = True
    ) -> None:
        write = self._events.warning if warning else self._events.normal
        write(pod, reason, text, field=container.field_path)
