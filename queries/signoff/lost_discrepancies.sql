-- Question:   how many discrepancies have a key that neither side has?
-- Inputs:     discrepancies("key")
--             existing(names, id, is_wanted): as in named_and_found.sql
-- Output:     one row: ids
SELECT count(*) AS ids
FROM discrepancies LEFT ANTI JOIN (SELECT id FROM existing WHERE is_wanted AND names = 1) AS found
  ON discrepancies."key" = found.id
