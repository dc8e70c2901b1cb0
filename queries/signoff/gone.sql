-- Question:   which keys did the side have at the sign-off that it no longer has?
-- Inputs:     keys_before("key", shown): the keys at the sign-off; shown is the key for people
--             own("key"): the rows of the side now
-- Output:     "key", shown
SELECT DISTINCT keys_before."key", keys_before.shown
FROM keys_before LEFT ANTI JOIN own ON keys_before."key" = own."key"
