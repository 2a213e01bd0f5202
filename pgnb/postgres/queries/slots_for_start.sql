SELECT count(*) AS slots,
       count(*) FILTER (WHERE slot_type = 'logical') AS logical_slots
  FROM pg_catalog.pg_replication_slots
