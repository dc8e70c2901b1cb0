-- Question:   which are the first IDs of a list, numbers by value and everything else as text?
-- Inputs:     listed(shown)
-- Parameters: $most integer, the maximum number of IDs
-- Output:     shown
SELECT shown
FROM listed
ORDER BY TRY_CAST(shown AS DECIMAL(38, 0)), shown
LIMIT $most
