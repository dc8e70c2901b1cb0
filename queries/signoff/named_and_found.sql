-- Question:   how many of the IDs that checks name belong to a candidate or to a row?
-- Inputs:     named(n, names, id): n is the number of an ID, which may have several digests; names is 0 for candidates and
--             1 for rows
--             existing(names, id, is_wanted): the IDs of candidates, and the IDs and keys of all rows; is_wanted is false
--             if no evidence names the ID, which removes nearly all rows before the join
-- Output:     one row: ids
SELECT count(*) AS ids
FROM (
    SELECT DISTINCT n
    FROM named LEFT SEMI JOIN (SELECT names, id FROM existing WHERE is_wanted) AS found
      ON named.id = found.id AND named.names = found.names
)
