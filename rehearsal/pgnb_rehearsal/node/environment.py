"""A container's environment and command line, as kubelet makes them (makeEnvironmentVariables)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgnb_rehearsal.api.objects import Object
from pgnb_rehearsal.api.store import Store
from pgnb_rehearsal.errors import RehearsalError
from pgnb_rehearsal.node.fields import field, resource_field

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


class ConfigError(RehearsalError):
    """The container cannot be made from what its spec refers to: CreateContainerConfigError."""


@dataclass(frozen=True)
class EnvContext:
    """What an environment is made from, beside the container's spec: the store, the pod with its addresses,
    and what the node has to give (`status.allocatable`)."""

    store: Store
    pod: Object
    allocatable: Object

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])

    def configmap(self, name: str, *, optional: bool) -> Mapping[str, str] | None:
        """A ConfigMap's texts; None when it is not there and need not be."""
        found = self._object("configmaps", name, optional=optional)
        return None if found is None else found.get("data") or {}

    def secret(self, name: str, *, optional: bool) -> Mapping[str, str] | None:
        """A Secret's values, decoded; None when it is not there and need not be."""
        found = self._object("secrets", name, optional=optional)
        if found is None:
            return None
        return {key: base64.b64decode(data).decode() for key, data in (found.get("data") or {}).items()}

    def _object(self, plural: str, name: str, *, optional: bool) -> Object | None:
        found = self.store.find(plural, self.namespace, name)
        if found is None and not optional:
            raise ConfigError(f'{plural.removesuffix("s")} "{name}" not found')
        return found


def environment(container: Object, around: EnvContext) -> dict[str, str]:
    """All variables: Services, then envFrom, then env; ConfigError for a reference that leads nowhere."""
    services = service_variables(around)
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        result |= _from_source(source, around)
    for variable in container.get("env") or ():
        value = _value(variable, container, around, services | result)
        if value is not None:
            result[variable["name"]] = value
    return services | result


def _from_source(source: Object, around: EnvContext) -> dict[str, str]:
    values: Mapping[str, str] | None = None
    if (reference := source.get("configMapRef")) is not None:
        values = around.configmap(reference["name"], optional=bool(reference.get("optional")))
    elif (reference := source.get("secretRef")) is not None:
        values = around.secret(reference["name"], optional=bool(reference.get("optional")))
    prefix = source.get("prefix", "")
    return {f"{prefix}{key}": value for key, value in (values or {}).items()}


def _value(variable: Object, container: Object, around: EnvContext, known: Mapping[str, str]) -> str | None:
    """A variable's value; None when it comes from an optional key that is not there."""
    origin = variable.get("valueFrom")
    if not origin:
        return expand(variable.get("value") or "", known)
    if "fieldRef" in origin:
        return field(around.pod, origin["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in origin:
        reference = origin["resourceFieldRef"]
        named = _container(around.pod, reference.get("containerName")) or container
        return resource_field(named, reference, around.allocatable)
    if "configMapKeyRef" in origin:
        return _key(origin["configMapKeyRef"], "ConfigMap", around)
    return _key(origin["secretKeyRef"], "Secret", around)


def _key(reference: Object, kind: str, around: EnvContext) -> str | None:
    optional = bool(reference.get("optional"))
    read = around.configmap if kind == "ConfigMap" else around.secret
    values = read(reference["name"], optional=optional)
    if values is not None and reference["key"] in values:
        return values[reference["key"]]
    if optional:
        return None
    where = f"{kind} {around.namespace}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {where}")


def _container(pod: Object, name: str | None) -> Object | None:
    everyone: Iterable[Object] = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    return next((entry for entry in everyone if entry["name"] == name), None)


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, `$$` by `$`; anything else stays as it is."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return known.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


def command_line(
    container: Object, known: Mapping[str, str], entrypoint: Sequence[str], command: Sequence[str]
) -> tuple[str, ...]:
    """A container's argv: `command` stands for the image's entry point, `args` for its command."""
    first = [expand(part, known) for part in container.get("command") or ()]
    rest = [expand(part, known) for part in container.get("args") or ()]
    return (*first, *rest) if first else (*entrypoint, *(rest or command))


# -- Services as variables ---------------------------------------------------------------------------------


def service_variables(around: EnvContext) -> dict[str, str]:
    """NAME_SERVICE_HOST and its kin for the Services of the namespace (none for headless ones)."""
    wanted = [service for service in around.store.list("services", "default") if _is_api(service)]
    if around.pod["spec"].get("enableServiceLinks", True):
        wanted += [s for s in around.store.list("services", around.namespace) if not _is_api(s)]
    result: dict[str, str] = {}
    for service in wanted:
        address = service["spec"].get("clusterIP", "")
        if address not in ("", "None") and service["spec"].get("ports"):
            result |= _variables_of(service, address)
    return result


def _is_api(service: Object) -> bool:
    return bool(service["metadata"]["name"] == "kubernetes" and service["metadata"]["namespace"] == "default")


def _variables_of(service: Object, address: str) -> dict[str, str]:
    name = service["metadata"]["name"].upper().replace("-", "_")
    ports = service["spec"]["ports"]
    made = {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            made[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for index, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{address}:{port['port']}"
        head = f"{name}_PORT_{port['port']}_{protocol}"
        made |= {f"{name}_PORT": url} if index == 0 else {}
        made |= {head: url, f"{head}_PROTO": protocol.lower(), f"{head}_PORT": str(port["port"])}
        made[f"{head}_ADDR"] = address
    return made
