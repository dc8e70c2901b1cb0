-- Question:   where does the state promise data that is missing, or the reverse?
-- Inputs:     item(id, state, has_data): has_data is true if the data that the state promises exists
-- Parameters: $state text, the state that promises data; all others, including NULL, promise none
-- Output:     id, state, has_data
SELECT id, state, has_data
FROM item
WHERE (state IS NOT DISTINCT FROM $state) IS DISTINCT FROM has_data
