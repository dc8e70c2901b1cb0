-- Question:   which rows can never pass into the new schema, and why?
-- Inputs:     field(id, name, text, number): one row per field of each row; text or number is NULL if it does not apply
--             bound(name, required, longest, least, most): the limits of the new schema; NULL means no limit
-- Output:     id, name, problem: missing, too long, too small, or too large
SELECT id, name, problem
FROM (
    SELECT field.id,
           field.name,
           CASE
               WHEN bound.required AND field.text IS NULL AND field.number IS NULL THEN 'missing'
               WHEN character_length(field.text) > bound.longest                   THEN 'too long'
               WHEN field.number < bound.least                                     THEN 'too small'
               WHEN field.number > bound.most                                      THEN 'too large'
           END AS problem
    FROM field JOIN bound ON field.name = bound.name
)
WHERE problem IS NOT NULL
