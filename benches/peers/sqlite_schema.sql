-- SQLite with FTS5: the documents once, their words in an index beside, dependencies in both directions.
CREATE TABLE documents (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  section TEXT NOT NULL,
  tags TEXT NOT NULL,
  description TEXT NOT NULL
);
CREATE TABLE dependencies (dependent TEXT NOT NULL, dependency TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5 (
  id, kind, name, tags, description,
  content = 'documents', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2'
);
-- load
INSERT INTO words (words) VALUES ('rebuild');
CREATE INDEX by_section ON documents (section);
CREATE INDEX by_dependency ON dependencies (dependency, dependent);
CREATE INDEX by_dependent ON dependencies (dependent, dependency);
ANALYZE;
