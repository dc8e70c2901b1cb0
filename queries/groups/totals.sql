-- Question:   what do the counts of several jobs add up to, by group?
-- Inputs:     parts(g0, g1, …, old_rows, new_rows, mismatch, missing, extra, duplicate_rows, violations): the groups of
--             every job; `*` stands for the columns of the group
-- Output:     the same columns, a row for each group
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
