-- Question:   how many rows does the shaped side have of each candidate?
-- Inputs:     own(may_be_candidate, stored): a row for each row of the side; stored is the digest of the ID
-- Output:     stored, rows
SELECT stored, count(*) AS rows
FROM own
WHERE may_be_candidate
GROUP BY stored
