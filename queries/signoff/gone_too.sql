-- Question:   which keys are gone, but were not approved?
-- Inputs:     gone("key", shown): the result of gone.sql
--             may_be_gone("key"): the approved keys; empty if the delete only empties a column
-- Output:     shown
SELECT gone.shown
FROM gone LEFT ANTI JOIN may_be_gone ON gone."key" = may_be_gone."key"
