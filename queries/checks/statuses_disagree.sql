-- Question:   where does a copy of a status differ from the source of truth?
-- Inputs:     truth(id, state), copy(id, state): one row per ID
-- Output:     id, truth, copy: NULL in the table that does not have the ID
SELECT coalesce(truth.id, copy.id) AS id, truth.state AS truth, copy.state AS copy
FROM truth FULL JOIN copy ON truth.id = copy.id
WHERE truth.state IS DISTINCT FROM copy.state
