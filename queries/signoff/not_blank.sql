-- Question:   which approved candidates have a row with a value that is not blanks of the same width as the old value?
-- Inputs:     own(id, "key", value): the rows of the side; id is the digest of the candidate's ID, value the emptied column
--             other("key", value): the rows of the other side, which still have the value
--             approved("key", shown): the approved candidates, by the digests of their IDs
-- Output:     shown
SELECT DISTINCT approved.shown
FROM own JOIN approved ON own.id = approved."key"
LEFT JOIN other ON own."key" = other."key"
WHERE (btrim(own.value) = '' AND character_length(own.value) = character_length(other.value)) IS NOT TRUE
