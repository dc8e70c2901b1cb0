-- Question:   which children are in the new store although their parent has not migrated?
-- Inputs:     child(id, parent): the new store's
--             status(id, state): the parents' state, as the source of truth has it
-- Parameters: $migrated text, what "migrated" is called
-- Output:     id, parent, state: NULL where the source of truth does not know the parent
SELECT child.id, child.parent, status.state
FROM child LEFT JOIN status ON child.parent = status.id
WHERE status.state IS DISTINCT FROM $migrated
