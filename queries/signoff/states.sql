-- Question:   in which state does a status table have each ID?
-- Inputs:     found(id, state): a row for each row of the table; id is a digest
-- Output:     id, rows, known: rows with a state, state: the least of them
SELECT id, count(*) AS rows, count(state) AS known, min(state) AS state
FROM found
GROUP BY id
