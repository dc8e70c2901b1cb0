-- Question: how many pairs of rows with the same key differ, and in which columns?
-- Inputs:   old, new; {key}: the key columns; {same_key}: the keys of o and n are equal, including NULL;
--           {differs}: true if any value column differs; {columns}: a count for each value column
-- Outputs:  one row: mismatch, then the mismatches for each value column
WITH o AS (SELECT *, count(*) OVER (PARTITION BY {key}) AS copies FROM old),
     n AS (SELECT *, count(*) OVER (PARTITION BY {key}) AS copies FROM new)
SELECT count(*) FILTER (WHERE {differs}) AS mismatch{columns}
FROM o JOIN n ON {same_key}
WHERE o.copies = 1 AND n.copies = 1
