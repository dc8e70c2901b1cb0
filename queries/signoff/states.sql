-- Question:   what is the state of each ID in a status table?
-- Inputs:     found(id, state): one row per row of the table; id is a digest
-- Output:     id, rows, known: rows with a state, state: the smallest state
SELECT id, count(*) AS rows, count(state) AS known, min(state) AS state
FROM found
GROUP BY id
