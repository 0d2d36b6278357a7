"""The same documents and queries for SQLite (in this process) and PostgreSQL (psql over a Unix socket).

Use: peers.py sqlite|postgres FOLDER, where FOLDER has what the bench `peers` wrote. For PostgreSQL, the environment
names the server (PGHOST, PGDATABASE, PGUSER). Each query is asked once to warm up, and then five times.
"""

import pathlib
import re
import sqlite3
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
ROUNDS = 5


def statements(name):
    """The statements of a file, by name."""
    parts = re.split(r"^-- name: (\w+)\n", (HERE / name).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def rows(folder, name):
    with open(folder / name, encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines]


def told(what, times):
    times.sort()
    p50, p99 = (times[len(times) * percent // 100] * 1000 for percent in (50, 99))
    print(f"{what:<44} {len(times):>6}  p50 {p50:>8.3f}ms  p99 {p99:>8.3f}ms", flush=True)


def sqlite_match(sort, one, two):
    quoted = {"one": f'"{one}"', "two": f'"{two}"'}
    return {
        "and": "{one} AND {two}",
        "or": "{one} OR {two}",
        "not": "{one} NOT {two}",
        "phrase": f'"{one} {two}"',
        "prefix": "{one}*",
    }.get(sort, "{one}").format(**quoted)


def postgres_match(sort, one, two):
    return {
        "and": f"{one} & {two}",
        "or": f"{one} | {two}",
        "not": f"{one} & !{two}",
        "phrase": f"{one} <-> {two}",
        "prefix": f"{one}:*",
    }.get(sort, one)


def sqlite(folder):
    file = folder / "sqlite.db"
    file.unlink(missing_ok=True)
    print(f"SQLite {sqlite3.sqlite_version}")
    base = sqlite3.connect(file, isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA cache_size = -262144")
    tables, indexes = (HERE / "sqlite_schema.sql").read_text().split("-- load\n")
    documents, dependencies = rows(folder, "documents.tsv"), rows(folder, "dependencies.tsv")
    began = time.perf_counter()
    base.executescript(tables)
    base.execute("BEGIN")
    columns = "id, kind, name, section, tags, description"
    base.executemany(f"INSERT INTO documents ({columns}) VALUES (?, ?, ?, ?, ?, ?)", documents)
    base.executemany("INSERT INTO dependencies VALUES (?, ?)", dependencies)
    base.execute("COMMIT")
    base.executescript(indexes)
    print(f"load, one transaction: {time.perf_counter() - began:.1f} s")
    sql = statements("sqlite_queries.sql")

    def ask(name, **values):
        began = time.perf_counter()
        found = base.execute(sql[name], values).fetchall()
        return time.perf_counter() - began, found

    queries = rows(folder, "queries.tsv")
    for what, kind in (("the mix, best 20", "best"), ("the mix, best 20 and total", "total"),
                       ("and dependents of libc6", "among")):
        times = []
        for turn in range(ROUNDS + 1):
            for sort, one, two, section in queries:
                match = sqlite_match(sort, one, two)
                if kind == "among":
                    taken, _ = ask("search_among_dependents", match=match, id="libc6")
                elif sort == "section":
                    taken, _ = ask("search_in_section", match=match, section=section)
                else:
                    taken, _ = ask("search", match=match)
                if kind == "total":
                    taken += ask("total", match=match)[0]
                if turn:
                    times.append(taken)
            if kind == "among" and turn:
                break
        told(what, times)
    asked = [ask("dependents", id="libc6") for _ in range(20)]
    told(f"dependents of libc6 ({asked[0][1][0][0]})", [taken for taken, _ in asked])
    base.close()
    file.unlink()


def psql(script, folder):
    command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]
    done = subprocess.run(command, input=script, text=True, check=True, cwd=folder, stdout=subprocess.PIPE)
    return done.stdout


def postgres(folder):
    print(psql("SELECT 'PostgreSQL ' || current_setting('server_version');", folder).strip())
    schema = (HERE / "postgres_schema.sql").read_text()
    began = time.perf_counter()
    psql(schema, folder)
    print(f"load, COPY and indexes: {time.perf_counter() - began:.1f} s")
    sql = statements("postgres_queries.sql")

    def run(asked):
        lines = []
        for name, values in asked:
            lines += [f"\\set {key} '{value}'" for key, value in values.items()]
            lines += [f"\\echo ask", "\\timing on", sql[name], "\\timing off"]
        out = psql("\n".join(lines), folder)
        return [float(found) / 1000 for found in re.findall(r"^Time: ([0-9.]+) ms", out, re.MULTILINE)], out

    queries = rows(folder, "queries.tsv")
    mix = []
    for sort, one, two, section in queries:
        values = {"match": postgres_match(sort, one, two), "section": section}
        mix.append(("search_in_section" if sort == "section" else "search", values))
    times, _ = run(mix * (ROUNDS + 1))
    told("the mix, best 20", times[len(mix):])
    totals, _ = run([("total", values) for _, values in mix] * (ROUNDS + 1))
    both = [one + other for one, other in zip(times, totals)]
    told("the mix, best 20 and total", both[len(mix):])
    among = [("search_among_dependents", values | {"id": "libc6"}) for _, values in mix]
    times, _ = run(among * 2)
    told("and dependents of libc6", times[len(among):])
    times, out = run([("dependents", {"id": "libc6"})] * 20)
    told(f"dependents of libc6 ({re.findall(r'^[0-9]+$', out, re.MULTILINE)[0]})", times)


if __name__ == "__main__":
    {"sqlite": sqlite, "postgres": postgres}[sys.argv[1]](pathlib.Path(sys.argv[2]))
