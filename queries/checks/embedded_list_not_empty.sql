-- Question:   whose embedded list is not empty yet?
-- Inputs:     holder(id, items): one row per holder; items is a list, and NULL counts as empty
-- Output:     id, items: the number of remaining items
SELECT id, cardinality(items) AS items
FROM holder
WHERE cardinality(items) > 0
