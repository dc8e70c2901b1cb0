-- Question:   in which groups do counts or sums differ between the two schemas, and by how much?
-- Inputs:     debit(id, unit, amount), credit(id, unit, amount): the entries of old and of new, with the ID of their
--             group and the unit of the amount, such as a currency; entries with a NULL amount count, but add nothing
-- Output:     id, unit, old_entries, new_entries, old_sum, new_sum, difference: new minus old
SELECT id, unit, old_entries, new_entries, old_sum, new_sum, new_sum - old_sum AS difference
FROM (
    SELECT id,
           unit,
           sum(old_entry)                                         AS old_entries,
           sum(new_entry)                                         AS new_entries,
           coalesce(sum(amount) FILTER (WHERE old_entry = 1), 0)  AS old_sum,
           coalesce(sum(amount) FILTER (WHERE new_entry = 1), 0)  AS new_sum
    FROM (
        SELECT id, unit, amount, 1 AS old_entry, 0 AS new_entry FROM debit
        UNION ALL
        SELECT id, unit, amount, 0 AS old_entry, 1 AS new_entry FROM credit
    )
    GROUP BY id, unit
)
WHERE old_entries <> new_entries OR old_sum <> new_sum
