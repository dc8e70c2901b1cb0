-- Question:   how many rows should the query of a side have made of the stored rows of each candidate?
-- Inputs:     stored_table(may_be_candidate, stored, items): a row for each stored row; stored is the digest of the ID, items
--             the list that the query unnests, NULL where it unnests none
-- Parameters: $least integer, the fewest rows that a stored row becomes: 1, or 0 where empty lists may lose their rows
-- Output:     stored, rows
SELECT stored, CAST(sum(greatest($least, coalesce(CAST(cardinality(items) AS BIGINT), 0))) AS BIGINT) AS rows
FROM stored_table
WHERE may_be_candidate
GROUP BY stored
