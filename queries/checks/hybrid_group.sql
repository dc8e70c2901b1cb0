-- Question:   which groups stand with one foot in each store, and so have not moved as a whole?
-- Inputs:     member(id, store): one row per member, with its group's id and the store that serves it
-- Output:     id, stores: how many, first_store, last_store, members
SELECT id, count(DISTINCT store) AS stores, min(store) AS first_store, max(store) AS last_store, count(*) AS members
FROM member
GROUP BY id
HAVING count(DISTINCT store) > 1
