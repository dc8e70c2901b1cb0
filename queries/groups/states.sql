-- Question:   in which state is each group?
-- Inputs:     groups(g0, g1, …, old_rows, new_rows, mismatch, missing, extra, duplicate_rows, violations): a row for each
--             group; those without a row on either side are left out
-- Parameters: $sure boolean, whether everything is known; otherwise no group is ready
-- Output:     the same columns and state: untouched, ready or partial
SELECT *,
       CASE
           WHEN new_rows = 0 THEN 'untouched'
           WHEN old_rows = new_rows AND mismatch + missing + extra + duplicate_rows + violations = 0 AND $sure THEN 'ready'
           ELSE 'partial'
       END AS state
FROM groups
WHERE old_rows + new_rows > 0
