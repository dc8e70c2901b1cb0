-- Question:   which children are in new although their parent has not migrated?
-- Inputs:     child(id, parent): the rows of new
--             status(id, state): the states of the parents in the source of truth
-- Parameters: $migrated text, the state of a migrated parent
-- Output:     id, parent, state: NULL if the source of truth does not have the parent
SELECT child.id, child.parent, status.state
FROM child LEFT JOIN status ON child.parent = status.id
WHERE status.state IS DISTINCT FROM $migrated
