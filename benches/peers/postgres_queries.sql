-- The best 20 of each sort.
-- name: search
SELECT id, kind, name FROM documents, to_tsquery('simple', :'match') AS query
WHERE words @@ query ORDER BY ts_rank(words, query) DESC LIMIT 20;
-- name: search_in_section
SELECT id, kind, name FROM documents, to_tsquery('simple', :'match') AS query
WHERE words @@ query AND section = :'section' ORDER BY ts_rank(words, query) DESC LIMIT 20;
-- name: total
SELECT count(*) FROM documents WHERE words @@ to_tsquery('simple', :'match');
-- name: dependents
WITH RECURSIVE reached (id) AS (
  SELECT :'id'::text
  UNION
  SELECT dependencies.dependent FROM reached JOIN dependencies ON dependencies.dependency = reached.id
)
SELECT count(*) - 1 FROM reached;
-- name: search_among_dependents
WITH RECURSIVE reached (id) AS (
  SELECT :'id'::text
  UNION
  SELECT dependencies.dependent FROM reached JOIN dependencies ON dependencies.dependency = reached.id
)
SELECT id, kind, name FROM documents, to_tsquery('simple', :'match') AS query
WHERE words @@ query AND id IN (SELECT id FROM reached) ORDER BY ts_rank(words, query) DESC LIMIT 20;
