-- Question: in which tiers are the pairs of rows with the same key equal, and in which columns?
-- Inputs:   old, new; {key}: the key columns after their rules; {same_key}: the keys of o and n are equal, with NULL;
--           {exact}: every column is equal as read, and no rule was needed to parse it;
--           {by_reading}: every column is equal as read, and no rule needed to parse it is lossy;
--           {by_rule}: every column is equal as read or after the rules;
--           {tolerated}: every column is equal as read, after the rules, or within its tolerance;
--           {columns}: counts for each column
-- Outputs:  one row: pairs, exact, by reading, by rule, tolerated; then by reading, by rule, tolerated, and mismatches
--           for each column
WITH o AS (SELECT *, count(*) OVER (PARTITION BY {key}) AS copies FROM old),
     n AS (SELECT *, count(*) OVER (PARTITION BY {key}) AS copies FROM new)
SELECT count(*)                                                        AS pairs,
       count(*) FILTER (WHERE {exact})                                 AS exact,
       count(*) FILTER (WHERE NOT ({exact}) AND {by_reading})          AS by_reading,
       count(*) FILTER (WHERE NOT ({by_reading}) AND {by_rule})        AS by_rule,
       count(*) FILTER (WHERE NOT ({by_rule}) AND {tolerated})         AS tolerated{columns}
FROM o JOIN n ON {same_key}
WHERE o.copies = 1 AND n.copies = 1
