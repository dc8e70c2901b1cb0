-- Question:   which children have no parent?
-- Inputs:     child(id, parent): parent is the parent's id; NULL is none
--             parent(id)
-- Output:     id, parent
SELECT child.id, child.parent
FROM child LEFT ANTI JOIN parent ON child.parent = parent.id
