-- Question: as a multiset of whole rows, how many rows are only in old, and how many only in new?
-- Inputs:   old, new; {key}: all columns; {same_key}: the rows of o and n are equal, including NULL
-- Outputs:  one row: matched, missing, extra
WITH o AS (SELECT {key}, count(*) AS n FROM old GROUP BY {key}),
     n AS (SELECT {key}, count(*) AS n FROM new GROUP BY {key}),
     rows AS (SELECT coalesce(o.n, 0) AS old_rows, coalesce(n.n, 0) AS new_rows FROM o FULL JOIN n ON {same_key})
SELECT coalesce(sum(least(old_rows, new_rows)), 0)              AS matched,
       coalesce(sum(greatest(old_rows - new_rows, 0)), 0)       AS missing,
       coalesce(sum(greatest(new_rows - old_rows, 0)), 0)       AS extra
FROM rows
