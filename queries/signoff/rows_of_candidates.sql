-- Question:   which rows may belong to candidates?
-- Inputs:     own(v0, v1, …, "key", may_be_candidate): all columns of the side
-- Output:     v0, v1, …
SELECT * EXCEPT ("key", may_be_candidate)
FROM own
WHERE may_be_candidate
