-- The best 20 of each sort; the weights are those of domesday's fields: id, kind, name, tags, description.
-- name: search
SELECT documents.id, documents.kind, documents.name
FROM words JOIN documents ON documents.number = words.rowid
WHERE words MATCH :match
ORDER BY bm25(words, 6.0, 2.0, 5.0, 3.0, 1.0)
LIMIT 20;
-- name: search_in_section
SELECT documents.id, documents.kind, documents.name
FROM words JOIN documents ON documents.number = words.rowid
WHERE words MATCH :match AND documents.section = :section
ORDER BY bm25(words, 6.0, 2.0, 5.0, 3.0, 1.0)
LIMIT 20;
-- name: total
SELECT count(*) FROM words WHERE words MATCH :match;
-- name: dependents
WITH RECURSIVE reached (id) AS (
  SELECT :id
  UNION
  SELECT dependencies.dependent FROM reached JOIN dependencies ON dependencies.dependency = reached.id
)
SELECT count(*) - 1 FROM reached;
-- name: search_among_dependents
WITH RECURSIVE reached (id) AS (
  SELECT :id
  UNION
  SELECT dependencies.dependent FROM reached JOIN dependencies ON dependencies.dependency = reached.id
)
SELECT documents.id, documents.kind, documents.name
FROM words JOIN documents ON documents.number = words.rowid
WHERE words MATCH :match AND documents.id IN (SELECT id FROM reached)
ORDER BY bm25(words, 6.0, 2.0, 5.0, 3.0, 1.0)
LIMIT 20;
