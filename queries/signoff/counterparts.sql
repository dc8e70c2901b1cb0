-- Question:   which rows of the other side have the approved keys?
-- Inputs:     other("key", k0, k1, …, row_hash): the rows of the other side; k0, k1, … are the key columns
--             approved("key")
-- Output:     k0, k1, …, row_hash
SELECT other.* EXCEPT ("key")
FROM other LEFT SEMI JOIN approved ON other."key" = approved."key"
