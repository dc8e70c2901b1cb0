-- Question:   which matching rows receive defects?
-- Inputs:     outcomes("key", outcome): the outcome of the comparison for each row of a candidate
-- Parameters: $first_matched integer, the smallest outcome code that is a match
--             $most integer, the maximum number of rows
-- Output:     "key"
SELECT "key"
FROM outcomes
WHERE outcome >= $first_matched
ORDER BY "key"
LIMIT $most
