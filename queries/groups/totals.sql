-- Question:   what are the total counts of each group over several jobs?
-- Inputs:     parts(g0, g1, …, old_rows, new_rows, mismatch, missing, extra, duplicate_rows, violations): the groups of
--             every job; `*` below is the group columns
-- Output:     the same columns, one row per group
SELECT * REPLACE (
    CAST(old_rows AS BIGINT)       AS old_rows,
    CAST(new_rows AS BIGINT)       AS new_rows,
    CAST(mismatch AS BIGINT)       AS mismatch,
    CAST(missing AS BIGINT)        AS missing,
    CAST(extra AS BIGINT)          AS extra,
    CAST(duplicate_rows AS BIGINT) AS duplicate_rows,
    CAST(violations AS BIGINT)     AS violations
)
FROM (
    SELECT * EXCEPT (old_rows, new_rows, mismatch, missing, extra, duplicate_rows, violations),
           sum(old_rows)       AS old_rows,
           sum(new_rows)       AS new_rows,
           sum(mismatch)       AS mismatch,
           sum(missing)        AS missing,
           sum(extra)          AS extra,
           sum(duplicate_rows) AS duplicate_rows,
           sum(violations)     AS violations
    FROM parts
    GROUP BY ALL
)
