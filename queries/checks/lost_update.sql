-- Question:   which rows are older in the new store than in the old one?
-- Inputs:     before(id, version), after(id, version): old's and new's rows with the time or number of their version
-- Output:     id, before, after
SELECT before.id, before.version AS before, after.version AS after
FROM before JOIN after ON before.id = after.id
WHERE after.version < before.version
