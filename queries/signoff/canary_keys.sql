-- Question:   which matching rows receive defects?
-- Inputs:     outcomes("key", outcome): what the comparison says of each row of a candidate
-- Parameters: $first_matched integer, the least outcome that is a match
--             $most integer, the most rows
-- Output:     "key"
SELECT "key"
FROM outcomes
WHERE outcome >= $first_matched
ORDER BY "key"
LIMIT $most
