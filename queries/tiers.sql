-- Question: how do the pairs of rows with one key come to be equal, and in which columns?
-- Inputs:   old, new; {key}: the key columns under their rules; {same_key}: o's key equals n's, NULL included;
--           {exact}: every column is equal as read, and no rule was needed to read it;
--           {by_reading}: every column is equal as read, and no rule that was needed to read it loses anything;
--           {by_rule}: every column is equal as read or under the rules;
--           {tolerated}: every column is equal as read, under the rules, or within its tolerance;
--           {columns}: counts for each column
-- Outputs:  one row: pairs, exact, by reading, by rule, tolerated; then by reading, by rule, tolerated and mismatches of
--           each column
WITH o AS (SELECT *, count(*) OVER (PARTITION BY {key}) AS copies FROM old),
     n AS (SELECT *, count(*) OVER (PARTITION BY {key}) AS copies FROM new)
SELECT count(*)                                                        AS pairs,
       count(*) FILTER (WHERE {exact})                                 AS exact,
       count(*) FILTER (WHERE NOT ({exact}) AND {by_reading})          AS by_reading,
       count(*) FILTER (WHERE NOT ({by_reading}) AND {by_rule})        AS by_rule,
       count(*) FILTER (WHERE NOT ({by_rule}) AND {tolerated})         AS tolerated{columns}
FROM o JOIN n ON {same_key}
WHERE o.copies = 1 AND n.copies = 1
