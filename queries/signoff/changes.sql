-- Question:   which discrepancies are new since the sign-off, and not explained by the delete?
-- Inputs:     now, before("key", shown, class, changed, in_flight): the discrepancies now and at the sign-off; changed names
--             the columns that differ. now also has is_emptied: whether all of them are emptied by the delete
--             gone("key"): the keys that the side no longer has
--             approved("key")
-- Output:     shown, in_flight, is_unexplained: true if the discrepancy is not in flight
SELECT now.shown, now.in_flight, NOT now.in_flight AS is_unexplained
FROM now
LEFT ANTI JOIN gone ON now."key" = gone."key"
LEFT JOIN before ON now."key" = before."key" AND now.class = before.class AND now.changed = before.changed
LEFT JOIN (SELECT DISTINCT "key" FROM approved) AS a ON now."key" = a."key"
WHERE before."key" IS NULL AND NOT (a."key" IS NOT NULL AND now.is_emptied)
