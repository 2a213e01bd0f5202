"""The Kubernetes side: pods, commands, logs, workloads, forwards."""

from pgnb.cluster.access import RIGHTS, Right
from pgnb.cluster.client import Object
from pgnb.cluster.commands import ExecResult
from pgnb.cluster.connecting import connect
from pgnb.cluster.facade import Cluster
from pgnb.cluster.forward import Forward
from pgnb.cluster.helper_spec import HelperPod, SecretFile
from pgnb.cluster.helpers import Helper, HelperResult
from pgnb.cluster.logs import LogLine
from pgnb.cluster.passwords import Secret
from pgnb.cluster.pods import EnvRef, Mount, Pod
from pgnb.cluster.workloads import Volume, Workload

__all__ = [
    "RIGHTS",
    "Cluster",
    "EnvRef",
    "ExecResult",
    "Forward",
    "Helper",
    "HelperPod",
    "HelperResult",
    "LogLine",
    "Mount",
    "Object",
    "Pod",
    "Right",
    "Secret",
    "SecretFile",
    "Volume",
    "Workload",
    "connect",
]
