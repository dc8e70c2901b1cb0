-- Question:   what does the other side have under the approved keys?
-- Inputs:     other("key", k0, k1, …, row_hash): the rows of the other side; k0, k1, … are the columns of the key
--             approved("key")
-- Output:     k0, k1, …, row_hash
SELECT other.* EXCEPT ("key")
FROM other LEFT SEMI JOIN approved ON other."key" = approved."key"
