-- Question:   how many rows of duplicate keys are attributed to groups, and how many violations belong to groups without a row?
-- Inputs:     counts: the result of counts.sql
-- Output:     one row: old_duplicate_rows, new_duplicate_rows, unknown_violations
SELECT CAST(coalesce(sum(old_duplicate_rows), 0) AS BIGINT)                   AS old_duplicate_rows,
       CAST(coalesce(sum(duplicate_rows - old_duplicate_rows), 0) AS BIGINT)  AS new_duplicate_rows,
       CAST(coalesce(sum(CASE WHEN old_rows + new_rows = 0 THEN violations ELSE 0 END), 0) AS BIGINT) AS unknown_violations
FROM counts
