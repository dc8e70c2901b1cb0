-- Question:   where does a status table say something else than the source of truth?
-- Inputs:     truth(id, state), copy(id, state): one row per id
-- Output:     id, truth, copy: NULL where one of them does not know the id
SELECT coalesce(truth.id, copy.id) AS id, truth.state AS truth, copy.state AS copy
FROM truth FULL JOIN copy ON truth.id = copy.id
WHERE truth.state IS DISTINCT FROM copy.state
