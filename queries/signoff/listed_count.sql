-- Question:   how many IDs are listed?
-- Inputs:     listed(shown)
-- Output:     one row: ids
SELECT count(*) AS ids FROM listed
