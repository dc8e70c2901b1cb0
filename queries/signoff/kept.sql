-- Question:   does the other side still have the approved rows as they were?
-- Inputs:     approved("key", shown)
--             counterparts("key", row_hash): the other side's rows at the sign-off
--             other("key", row_hash, is_newer): its rows now; is_newer is true where the row was written since
-- Output:     shown, is_lost: not there once, or changed without a newer version; is_written_since: there in a newer version
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
