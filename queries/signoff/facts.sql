-- Question:   what is known about each candidate, and about each of its rows?
-- Inputs:     IDs and keys are digests: key is a row's key and id is an ID, both under the rules of the comparison;
--             stored is an ID as the side stores it. An evidence table that the job does not need is empty, and the
--             optimizer removes its join.
--             candidates(n, line, has_null, stored, id, c0, c1, …): c0, c1, … are the parts of the ID as in the list
--             own(may_be_candidate, stored, "key", guard, group_id, known, k0, k1, …): the rows of the side; k0, k1, … are the
--             key columns, known is the digest of the key in earlier runs
--             outcomes("key", outcome, old_rows, new_rows, moved, old_version, new_version, other_known): the outcome
--             of each row; other_known is the digest of the other side's key, NULL if it equals known
--             discrepancies("key", waived, in_flight)
--             source_of_truth, local_status(id, rows, known, state)
--             named(names, id, checks): IDs that checks name, of candidates (names = 0) or of rows (1); one bit per check
--             ready_groups(id), not_backed_up("key"), unclean("key")
--             stored_rows, shown_rows(stored, rows): the expected and the actual number of rows of a candidate
-- Output:     one row per row of a candidate, and per candidate without a row: n, has_null, c0, c1, …, "key", guard,
--             k0, k1, …, and one column for each fact
SELECT c.* EXCEPT (line, stored, id),
       r.* EXCEPT (may_be_candidate, stored, group_id, known),
       o.outcome,
       o.old_rows,
       o.new_rows,
       o.moved,
       o.old_version,
       o.new_version,
       d.waived,
       d.in_flight,
       truth.rows                  AS truth_rows,
       truth.known                 AS truth_known,
       truth.state                 AS truth_state,
       local.rows                  AS local_rows,
       local.known                 AS local_known,
       local.state                 AS local_state,
       named_ids.checks            AS named_ids,
       named_keys.checks           AS named_keys,
       g.id IS NOT NULL            AS group_ready,
       b."key" IS NULL             AS backed_up,
       own_unclean.known IS NULL   AS own_clean,
       other_unclean.known IS NULL AS other_clean,
       coalesce(s.rows, 0)         AS stored_rows,
       coalesce(shown.rows, 0)     AS shown_rows
FROM candidates AS c
LEFT JOIN (SELECT * FROM own WHERE may_be_candidate) AS r ON c.stored = r.stored
LEFT JOIN outcomes AS o ON r."key" = o."key"
LEFT JOIN discrepancies AS d ON r."key" = d."key"
LEFT JOIN source_of_truth AS truth ON c.id = truth.id
LEFT JOIN local_status AS local ON c.id = local.id
LEFT JOIN (SELECT id, bit_or(checks) AS checks FROM named WHERE names = 0 GROUP BY id) AS named_ids ON c.id = named_ids.id
LEFT JOIN (SELECT id, bit_or(checks) AS checks FROM named WHERE names = 1 GROUP BY id) AS named_keys ON r."key" = named_keys.id
LEFT JOIN ready_groups AS g ON r.group_id = g.id
LEFT JOIN not_backed_up AS b ON r."key" = b."key"
LEFT JOIN (SELECT DISTINCT "key" AS known FROM unclean) AS own_unclean ON r.known = own_unclean.known
LEFT JOIN (SELECT DISTINCT "key" AS known FROM unclean) AS other_unclean
       ON coalesce(o.other_known, r.known) = other_unclean.known
LEFT JOIN stored_rows AS s ON c.stored = s.stored
LEFT JOIN shown_rows AS shown ON c.stored = shown.stored
