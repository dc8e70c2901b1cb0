-- Question:   how many rows should the query of a side return for the stored rows of each candidate?
-- Inputs:     stored_table(may_be_candidate, stored, items): one row per stored row; stored is the digest of the ID, items
--             the list that the query unnests, NULL if it does not unnest one
-- Parameters: $least integer, the minimum number of rows per stored row: 1, or 0 if empty lists may yield no row
-- Output:     stored, rows
SELECT stored, CAST(sum(greatest($least, coalesce(CAST(cardinality(items) AS BIGINT), 0))) AS BIGINT) AS rows
FROM stored_table
WHERE may_be_candidate
GROUP BY stored
