-- Question:   which children have no parent?
-- Inputs:     child(id, parent): parent is the ID of the parent; NULL counts as no parent
--             parent(id)
-- Output:     id, parent
SELECT child.id, child.parent
FROM child LEFT ANTI JOIN parent ON child.parent = parent.id
