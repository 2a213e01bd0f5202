"""In which form a client wants an answer: objects, kubectl's tables, or metadata only."""

from __future__ import annotations

from dataclasses import dataclass

from pgnb_rehearsal.api.status import StatusError

_JSON = ("application/json", "application/*", "*/*")
_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True)
class Form:
    """`kind` is empty for objects, else Table, PartialObjectMetadata or PartialObjectMetadataList."""

    kind: str = ""

    @property
    def content_type(self) -> str:
        """The media type of the answer."""
        return "application/json"


def negotiated(accept: str) -> Form:
    """The first form of an Accept header that the server has; StatusError 406 when it has none of them."""
    if not accept:
        return Form()
    for entry in accept.split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        values = dict(parameter.partition("=")[::2] for parameter in parameters)
        kind = values.get("as", "")
        if media in _JSON and kind in ("", *_FORMS) and (not kind or values.get("v") == "v1"):
            return Form(kind)
    message = "only the following media types are accepted: application/json"
    raise StatusError(406, "NotAcceptable", message, {})


def accepts_aggregated(accept: str) -> bool:
    """True when a client asks for aggregated discovery."""
    return any(
        "as=APIGroupDiscoveryList" in entry and "v=v2" in entry.replace("v2beta1", "")
        for entry in accept.split(",")
    )
