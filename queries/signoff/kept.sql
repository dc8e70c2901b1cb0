-- Question:   which approved rows did the other side lose or change?
-- Inputs:     approved("key", shown)
--             counterparts("key", row_hash): the other side's rows at the sign-off
--             other("key", row_hash, is_newer): its rows now; is_newer is true if the row was written after the sign-off
-- Output:     shown, is_lost: not present exactly once, or changed without a newer version; is_written_since: present in
--             a newer version
SELECT shown,
       NOT (rows = 1 AND (is_same OR is_newer)) AS is_lost,
       rows = 1 AND NOT is_same AND is_newer    AS is_written_since
FROM (
    SELECT a.shown,
           count(o."key")                                         AS rows,
           bool_and(coalesce(o.row_hash = c.row_hash, false))     AS is_same,
           bool_and(coalesce(o.is_newer, false))                  AS is_newer
    FROM (SELECT DISTINCT "key", shown FROM approved) AS a
    LEFT JOIN counterparts AS c ON a."key" = c."key"
    LEFT JOIN other AS o ON a."key" = o."key"
    GROUP BY a."key", a.shown
)
