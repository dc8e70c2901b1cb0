-- Question:   how many IDs does the list have?
-- Inputs:     listed(shown)
-- Output:     one row: ids
SELECT count(*) AS ids FROM listed
