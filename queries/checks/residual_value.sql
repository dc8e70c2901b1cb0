-- Question:   which values are left after the clean-up, and neither NULL nor blank?
-- Inputs:     item(id, value): value is text; encode what is not
-- Output:     id
SELECT id
FROM item
WHERE btrim(value) <> ''
