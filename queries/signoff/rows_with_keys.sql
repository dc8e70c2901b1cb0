-- Question:   which rows have one of these keys?
-- Inputs:     own(v0, v1, …, "key", may_be_candidate): all columns of the side, and the digest of the key
--             keys("key")
-- Output:     v0, v1, …
SELECT own.* EXCEPT ("key", may_be_candidate)
FROM own LEFT SEMI JOIN keys ON own."key" = keys."key"
