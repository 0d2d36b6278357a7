// Tables of many rows: filtered, sorted, and shown a page at a time.

const ROWS = 100;

// columns: [{ title, text(row), cell(row)?, number?: true }]; choices: [{ label, values: [text], has(row, value) }]
function makeTable(section, { name, one, many = one + "s", rows, columns, choices }) {
  const state = { words: "", page: 0, column: 0, isDown: false, chosen: choices.map(() => "") };
  const searched = new Map(
    rows.map((row) => [
      row,
      columns
        .map((c) => c.text(row))
        .join("\n")
        .toLowerCase(),
    ]),
  );
  const body = el("tbody");
  const shown = el("p", { class: "shown", role: "status" });
  const heads = columns.map((column, place) =>
    el(
      "th",
      { scope: "col", class: column.number ? "number" : null },
      el(
        "button",
        { type: "button", onclick: () => sortBy(place) },
        column.title,
        el("span", { "aria-hidden": "true" }),
      ),
    ),
  );
  const previous = el("button", { type: "button", onclick: () => turn(-1) }, "Previous");
  const next = el("button", { type: "button", onclick: () => turn(1) }, "Next");
  const filter = el("input", {
    type: "search",
    id: `${name}-filter`,
    autocomplete: "off",
    spellcheck: "false",
    oninput: (event) => change({ words: event.target.value }),
  });
  const selects = choices.map(({ label, values }, place) =>
    el(
      "label",
      {},
      label,
      el(
        "select",
        {
          onchange: (event) => {
            state.chosen[place] = event.target.value;
            change({});
          },
        },
        el("option", { value: "" }, "all"),
        values.map((value) => el("option", { value }, value)),
      ),
    ),
  );
  const table = el("table", { "aria-label": many }, el("thead", {}, el("tr", {}, heads)), body);
  section.replaceChildren(
    el(
      "form",
      { class: "filters", onsubmit: (event) => event.preventDefault() },
      el("label", { for: `${name}-filter` }, "Filter"),
      filter,
      selects,
    ),
    el("div", { class: "pages" }, shown, previous, next),
    el("div", { class: "wide" }, table),
  );
  body.addEventListener("keydown", (event) =>
    walk(event, [...body.querySelectorAll("a.id")], ["ArrowUp", "ArrowDown"]),
  );

  function sortBy(place) {
    change({ isDown: state.column === place && !state.isDown, column: place });
  }
  function change(news) {
    Object.assign(state, news, { page: 0 });
    show();
  }
  function turn(pages) {
    state.page += pages;
    show();
  }
  function chosenRows() {
    const words = state.words
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const found = rows.filter(
      (row) =>
        words.every((word) => searched.get(row).includes(word)) &&
        choices.every(({ has }, place) => state.chosen[place] === "" || has(row, state.chosen[place])),
    );
    const column = columns[state.column];
    const order = column.number
      ? (a, b) => column.number(a) - column.number(b)
      : (a, b) => compare(column.text(a), column.text(b));
    found.sort(order);
    return state.isDown ? found.reverse() : found;
  }
  function show() {
    const found = chosenRows();
    const last = Math.max(0, Math.ceil(found.length / ROWS) - 1);
    state.page = Math.min(Math.max(0, state.page), last);
    const first = state.page * ROWS;
    body.replaceChildren(
      ...found
        .slice(first, first + ROWS)
        .map((row) =>
          el(
            "tr",
            {},
            columns.map((column) =>
              el("td", { class: column.number ? "number" : null }, column.cell ? column.cell(row) : column.text(row)),
            ),
          ),
        ),
    );
    heads.forEach((head, place) => {
      const isSorted = place === state.column;
      head.setAttribute("aria-sort", isSorted ? (state.isDown ? "descending" : "ascending") : "none");
      head.querySelector("span").textContent = isSorted ? (state.isDown ? " ▼" : " ▲") : "";
    });
    const range = found.length > ROWS ? `, ${first + 1} to ${Math.min(found.length, first + ROWS)} shown` : "";
    const of = found.length === rows.length ? "" : ` of ${rows.length.toLocaleString("en")}`;
    shown.textContent = count(found.length, one, many) + of + range;
    previous.disabled = state.page === 0;
    next.disabled = state.page === last;
  }
  return {
    show,
    choose(place, value) {
      state.chosen[place] = value;
      selects[place].querySelector("select").value = value;
      change({});
    },
  };
}

const collator = new Intl.Collator("en", { numeric: true });
function compare(a, b) {
  return collator.compare(a, b);
}
