"""Physical replication: slots, the source's proof, the standby and its base backup, and how it stands."""

from pgnb.replication.backupoptions import BackupOptions
from pgnb.replication.basebackup import plan_base_backup
from pgnb.replication.checks import standby_checks
from pgnb.replication.claims import layout_checks
from pgnb.replication.proof import prove_source
from pgnb.replication.rejoin import Rejoin, plan_rejoin
from pgnb.replication.repoint import plan_repoint
from pgnb.replication.sizing import five_checks, standby_settings
from pgnb.replication.slot_checks import slot_checks, slots_as_wished
from pgnb.replication.slots import Slot, Slots, plan_drop_slot, plan_slot, plan_slots, slots
from pgnb.replication.standby import plan_standby_config, plan_standby_workload, standby_pod_checks
from pgnb.replication.status import (
    Receiver,
    ReplicationStatus,
    Sender,
    StandbyStatus,
    replication_status,
    standby_status,
)
from pgnb.server.source import Source, replication_source

__all__ = [
    "BackupOptions",
    "Receiver",
    "Rejoin",
    "ReplicationStatus",
    "Sender",
    "Slot",
    "Slots",
    "Source",
    "StandbyStatus",
    "five_checks",
    "layout_checks",
    "plan_base_backup",
    "plan_drop_slot",
    "plan_rejoin",
    "plan_repoint",
    "plan_slot",
    "plan_slots",
    "plan_standby_config",
    "plan_standby_workload",
    "prove_source",
    "replication_source",
    "replication_status",
    "slot_checks",
    "slots",
    "slots_as_wished",
    "standby_checks",
    "standby_pod_checks",
    "standby_settings",
    "standby_status",
]
