-- Question:   how many rows of each candidate does the query of the side return?
-- Inputs:     own(may_be_candidate, stored): one row per row of the side; stored is the digest of the ID
-- Output:     stored, rows
SELECT stored, count(*) AS rows
FROM own
WHERE may_be_candidate
GROUP BY stored
