-- Question:   which values are left after a clean-up and are not blank?
-- Inputs:     item(id, value): value is text; convert other types to text
-- Output:     id
SELECT id
FROM item
WHERE btrim(value) <> ''
