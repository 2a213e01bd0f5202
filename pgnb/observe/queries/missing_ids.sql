-- Which acknowledged ids a server does not have. {table} and {column} are filled in as quoted names.
SELECT acknowledged.id
  FROM pg_catalog.unnest({ids}::bigint[]) AS acknowledged(id)
 WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE t.{column} = acknowledged.id)
 ORDER BY acknowledged.id
