-- Question:   which rows share a business key that is to be unique?
-- Inputs:     item(id, business_key): NULL is no key
-- Output:     id, business_key, copies: how many rows have it
SELECT id, business_key, copies
FROM (SELECT id, business_key, count(*) OVER (PARTITION BY business_key) AS copies FROM item WHERE business_key IS NOT NULL)
WHERE copies > 1
