-- Question:   where does the state say one thing, and the data another?
-- Inputs:     item(id, state, has_data): has_data is true where the data is that the state promises
-- Parameters: $state text, the state that promises data; all others, NULL too, promise none
-- Output:     id, state, has_data
SELECT id, state, has_data
FROM item
WHERE (state IS NOT DISTINCT FROM $state) IS DISTINCT FROM has_data
