-- Question:   which groups are present in both stores?
-- Inputs:     member(id, store): one row per member, with the ID of its group and the store that serves it
-- Output:     id, stores: the number of stores, first_store, last_store, members
SELECT id, count(DISTINCT store) AS stores, min(store) AS first_store, max(store) AS last_store, count(*) AS members
FROM member
GROUP BY id
HAVING count(DISTINCT store) > 1
