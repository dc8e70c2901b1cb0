-- Question:   what had been in progress for too long when the snapshot was taken?
-- Inputs:     item(id, state, since): since is the time of the change to this state; NULL counts as too long ago
-- Parameters: $state text, the state "in progress"
--             $older_than duration, the longest time that is acceptable
--             $taken_at timestamp, defaults to the end of new's export, or of old's if there is no new
-- Output:     id, state, since
SELECT id, state, since
FROM item
WHERE state = $state AND (since IS NULL OR since < $taken_at - $older_than)
