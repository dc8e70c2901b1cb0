-- Question:   which rows share a business key?
-- Inputs:     item(id, business_key): rows with NULL are ignored
-- Output:     id, business_key, copies: the number of rows with this key
SELECT id, business_key, copies
FROM (SELECT id, business_key, count(*) OVER (PARTITION BY business_key) AS copies FROM item WHERE business_key IS NOT NULL)
WHERE copies > 1
