-- PostgreSQL: a vector of words with weights under a GIN index, dependencies in both directions.
CREATE TABLE documents (
  id text PRIMARY KEY,
  kind text NOT NULL,
  name text NOT NULL,
  section text NOT NULL,
  tags text NOT NULL,
  description text NOT NULL,
  words tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', id), 'A')
    || setweight(to_tsvector('simple', name), 'B')
    || setweight(to_tsvector('simple', tags || ' ' || kind), 'C')
    || setweight(to_tsvector('simple', description), 'D')
  ) STORED
);
CREATE TABLE dependencies (dependent text NOT NULL, dependency text NOT NULL);
\copy documents (id, kind, name, section, tags, description) from 'documents.tsv'
\copy dependencies from 'dependencies.tsv'
CREATE INDEX by_words ON documents USING gin (words);
CREATE INDEX by_section ON documents (section);
CREATE INDEX by_dependency ON dependencies (dependency, dependent);
CREATE INDEX by_dependent ON dependencies (dependent, dependency);
ANALYZE;
