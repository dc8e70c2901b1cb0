-- Question:   how many rows, discrepancies and violations does each group have?
-- Inputs:     every table begins with the group columns g0, g1, …, written as `*` below
--             old, new: one row per row of the side
--             old_found, new_found(kind, has_moved): one row per discrepancy that has a row on this side; kind is its class,
--             has_moved whether its rows are in different groups
--             old_duplicates, new_duplicates(rows): the side's rows of duplicate keys, possibly in several parts
--             violations: one row per violation that a check found
-- Output:     g0, g1, …, old_rows, new_rows, mismatch, missing, extra, duplicate_rows, violations, old_duplicate_rows
SELECT * REPLACE (
    CAST(old_rows AS BIGINT)           AS old_rows,
    CAST(new_rows AS BIGINT)           AS new_rows,
    CAST(mismatch AS BIGINT)           AS mismatch,
    CAST(missing AS BIGINT)            AS missing,
    CAST(extra AS BIGINT)              AS extra,
    CAST(duplicate_rows AS BIGINT)     AS duplicate_rows,
    CAST(violations AS BIGINT)         AS violations,
    CAST(old_duplicate_rows AS BIGINT) AS old_duplicate_rows
)
FROM (
    SELECT * EXCEPT (kind, rows),
           sum(CASE WHEN kind = 'old' THEN rows ELSE 0 END)                                 AS old_rows,
           sum(CASE WHEN kind = 'new' THEN rows ELSE 0 END)                                 AS new_rows,
           sum(CASE WHEN kind = 'mismatch' THEN rows ELSE 0 END)                            AS mismatch,
           sum(CASE WHEN kind = 'missing' THEN rows ELSE 0 END)                             AS missing,
           sum(CASE WHEN kind = 'extra' THEN rows ELSE 0 END)                               AS extra,
           sum(CASE WHEN kind IN ('old_duplicate', 'new_duplicate') THEN rows ELSE 0 END)   AS duplicate_rows,
           sum(CASE WHEN kind = 'violation' THEN rows ELSE 0 END)                           AS violations,
           sum(CASE WHEN kind = 'old_duplicate' THEN rows ELSE 0 END)                       AS old_duplicate_rows
    FROM (
        SELECT *, 'old' AS kind, count(*) AS rows FROM old GROUP BY ALL
        UNION ALL
        SELECT *, 'new' AS kind, count(*) AS rows FROM new GROUP BY ALL
        UNION ALL
        SELECT * EXCEPT (has_moved), count(*) AS rows FROM old_found WHERE kind IN ('missing', 'mismatch') GROUP BY ALL
        UNION ALL
        -- a row that moved between groups counts for both groups
        SELECT * EXCEPT (has_moved), count(*) AS rows
        FROM new_found WHERE kind = 'extra' OR (kind = 'mismatch' AND has_moved) GROUP BY ALL
        UNION ALL
        SELECT * EXCEPT (rows), 'old_duplicate' AS kind, rows FROM old_duplicates
        UNION ALL
        SELECT * EXCEPT (rows), 'new_duplicate' AS kind, rows FROM new_duplicates
        UNION ALL
        SELECT *, 'violation' AS kind, count(*) AS rows FROM violations GROUP BY ALL
    )
    GROUP BY ALL
)
