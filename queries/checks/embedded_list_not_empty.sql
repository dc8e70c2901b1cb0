-- Question:   whose embedded list is still not empty?
-- Inputs:     holder(id, items): one row per holder; items is a list, NULL counts as empty
-- Output:     id, items: how many are left
SELECT id, cardinality(items) AS items
FROM holder
WHERE cardinality(items) > 0
