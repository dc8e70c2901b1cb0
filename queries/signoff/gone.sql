-- Question:   which keys of the sign-off does the side no longer have?
-- Inputs:     keys_before("key", shown): the keys at the sign-off; shown is the key as text
--             own("key"): the rows of the side now
-- Output:     "key", shown
SELECT DISTINCT keys_before."key", keys_before.shown
FROM keys_before LEFT ANTI JOIN own ON keys_before."key" = own."key"
