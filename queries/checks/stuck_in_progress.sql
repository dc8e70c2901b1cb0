-- Question:   what has been in progress for too long when the snapshot was taken?
-- Inputs:     item(id, state, since): since when it has been in its state; NULL is too long
-- Parameters: $state text, what "in progress" is called
--             $older_than duration, how long is too long
--             $taken_at timestamp, the end of new's export (old's, where there is no new) unless it is given
-- Output:     id, state, since
SELECT id, state, since
FROM item
WHERE state = $state AND (since IS NULL OR since < $taken_at - $older_than)
