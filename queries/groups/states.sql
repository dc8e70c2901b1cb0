-- Question:   what is the state of each group?
-- Inputs:     groups(g0, g1, …, old_rows, new_rows, mismatch, missing, extra, duplicate_rows, violations): one row per
--             group; groups without a row on either side are left out
-- Parameters: $sure boolean, whether the counts are complete; if not, no group is ready
-- Output:     the same columns and state: untouched, ready or partial
SELECT *,
       CASE
           WHEN new_rows = 0 THEN 'untouched'
           WHEN old_rows = new_rows AND mismatch + missing + extra + duplicate_rows + violations = 0 AND $sure THEN 'ready'
           ELSE 'partial'
       END AS state
FROM groups
WHERE old_rows + new_rows > 0
