-- Question:   which approved rows are still there?
-- Inputs:     approved("key", shown), gone("key")
-- Output:     shown
SELECT approved.shown
FROM approved LEFT ANTI JOIN gone ON approved."key" = gone."key"
