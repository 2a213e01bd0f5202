-- What matters at a failover of the publisher: the slots of its physical standbys, and those that logical
-- walsenders wait for (since 17; NULL before).
SELECT ARRAY(SELECT s.slot_name::text
               FROM pg_catalog.pg_replication_slots AS s
              WHERE s.slot_type = 'physical' AND NOT s.temporary
              ORDER BY s.slot_name) AS standby_slots,
       pg_catalog.current_setting('synchronized_standby_slots', true) AS waits_for
