-- Question:   which rows are older in new than in old?
-- Inputs:     before(id, version), after(id, version): the rows of old and of new; version is a time or a number
-- Output:     id, before, after
SELECT before.id, before.version AS before, after.version AS after
FROM before JOIN after ON before.id = after.id
WHERE after.version < before.version
