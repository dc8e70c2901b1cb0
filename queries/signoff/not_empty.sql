-- Question:   which approved candidates have a row with a value that is neither NULL nor an empty list?
-- Inputs:     own(id, value): the rows of the side; id is the digest of the candidate's ID, value the emptied column
--             approved("key", shown): the approved candidates, by the digests of their IDs
-- Output:     shown
SELECT DISTINCT approved.shown
FROM own JOIN approved ON own.id = approved."key"
WHERE (own.value IS NULL OR cardinality(own.value) = 0) IS NOT TRUE
