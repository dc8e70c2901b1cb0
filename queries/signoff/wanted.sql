-- Question:   which digests does the evidence name?
-- Inputs:     named(id), discrepancies("key")
-- Output:     id, possibly with duplicates
SELECT id FROM named
UNION ALL
SELECT "key" FROM discrepancies
