"""Physical replication: slots, connectivity of the source, standbys, base backups, rejoin and status."""

from pgnb.physical.backupoptions import BackupOptions
from pgnb.physical.basebackup import plan_base_backup
from pgnb.physical.checks import standby_checks
from pgnb.physical.claims import layout_checks
from pgnb.physical.connectivity import check_source
from pgnb.physical.rejoin import Rejoin, plan_rejoin_server
from pgnb.physical.repoint import plan_repoint
from pgnb.physical.sizing import standby_settings
from pgnb.physical.slot_checks import desired_slot_checks, slot_checks
from pgnb.physical.slots import Slots, plan_drop_slot, plan_slot, plan_slots, slots
from pgnb.physical.standby import plan_standby_config, plan_standby_workload, standby_pod_checks
from pgnb.physical.standby_spec import StandbySpec
from pgnb.physical.status import (
    Receiver,
    ReplicationStatus,
    Sender,
    StandbyStatus,
    replication_status,
    standby_status,
)
from pgnb.postgres.slots import Slot
from pgnb.postgres.source import Source, replication_source

__all__ = [
    "BackupOptions",
    "Receiver",
    "Rejoin",
    "ReplicationStatus",
    "Sender",
    "Slot",
    "Slots",
    "Source",
    "StandbySpec",
    "StandbyStatus",
    "check_source",
    "desired_slot_checks",
    "layout_checks",
    "plan_base_backup",
    "plan_drop_slot",
    "plan_rejoin_server",
    "plan_repoint",
    "plan_slot",
    "plan_slots",
    "plan_standby_config",
    "plan_standby_workload",
    "replication_source",
    "replication_status",
    "slot_checks",
    "slots",
    "standby_checks",
    "standby_pod_checks",
    "standby_settings",
    "standby_status",
]
