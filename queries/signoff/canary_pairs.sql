-- Question:   which rows of old and new have the same key?
-- Inputs:     old("key", old0, old1, …), new("key", new0, new1, …): the digest of the key, and all columns of the side
-- Output:     old0, old1, …, new0, new1, …
SELECT old.* EXCEPT ("key"), new.* EXCEPT ("key")
FROM old JOIN new ON old."key" = new."key"
