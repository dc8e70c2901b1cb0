-- Question: how many keys are missing, extra, or duplicate, and how many pairs of rows share a key?
-- Inputs:   old, new; {key}: the key columns; {same_key}: the keys of o and n are equal, including NULL
-- Outputs:  one row: missing, extra, duplicate_keys, duplicate_old_rows, duplicate_new_rows, paired
WITH o AS (SELECT {key}, count(*) AS n FROM old GROUP BY {key}),
     n AS (SELECT {key}, count(*) AS n FROM new GROUP BY {key}),
     keys AS (SELECT coalesce(o.n, 0) AS old_rows, coalesce(n.n, 0) AS new_rows FROM o FULL JOIN n ON {same_key})
SELECT count(*) FILTER (WHERE old_rows = 1 AND new_rows = 0)                     AS missing,
       count(*) FILTER (WHERE old_rows = 0 AND new_rows = 1)                     AS extra,
       count(*) FILTER (WHERE old_rows > 1 OR new_rows > 1)                      AS duplicate_keys,
       coalesce(sum(old_rows) FILTER (WHERE old_rows > 1 OR new_rows > 1), 0)    AS duplicate_old_rows,
       coalesce(sum(new_rows) FILTER (WHERE old_rows > 1 OR new_rows > 1), 0)    AS duplicate_new_rows,
       count(*) FILTER (WHERE old_rows = 1 AND new_rows = 1)                     AS paired
FROM keys
