// The page: views, search, and what is where.

const VIEWS = ["overview", "environments", "resources", "graph"];
const model = makeModel(JSON.parse(document.getElementById("data").textContent));
const registered = model.things.filter((thing) => thing.what === "resource");
const absent = model.things.filter((thing) => thing.what === "absent");

function showOverview(section) {
  const { data } = model;
  const found = cycles(model);
  const externals = model.things.filter((thing) => thing.what === "external");
  const needs = registered.reduce((sum, thing) => sum + thing.needs.length, 0);
  const card = (number, words, address) =>
    el(
      "li",
      { class: "card" },
      el("strong", {}, number.toLocaleString("en")),
      address ? el("a", { href: address }, words) : words,
    );
  const kinds = new Map();
  for (const { kind } of registered) kinds.set(kind, (kinds.get(kind) || 0) + 1);
  const byCount = [...kinds].sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
  const kindRow = ([kind, number]) => {
    const bar = el("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${(100 * number) / byCount[0][1]}%`;
    const choose = () => {
      tables.resources.choose(0, kind);
      location.hash = "#resources";
    };
    return el(
      "span",
      { class: "kind-row" },
      el("button", { type: "button", class: "as-link", onclick: choose }, kind),
      el("span", { class: "track" }, bar),
      el("span", { class: "number" }, number.toLocaleString("en")),
    );
  };
  const byMembers = (a, b) => b.resources.length - a.resources.length || compare(a.id, b.id);
  const dangling = [...absent].sort((a, b) => b.neededBy.length - a.neededBy.length || compare(a.id, b.id));
  const cycle = (numbers) =>
    el(
      "span",
      {},
      `${numbers.length}: `,
      numbers.slice(0, 12).flatMap((number, at) => [at > 0 ? ", " : null, link(model.things[number])]),
      numbers.length > 12 ? ` and ${numbers.length - 12} more` : null,
    );
  const block = (heading, id, ...parts) =>
    el("section", { class: "block", "aria-labelledby": id }, el("h2", { id }, heading), parts);
  const none = (text) => el("p", { class: "kind" }, text);
  section.replaceChildren(
    el(
      "ul",
      { class: "cards" },
      card(model.environments.length, "environments", "#environments"),
      card(registered.length, "resources", "#resources"),
      card(needs, "dependencies"),
      card(externals.length, "external things"),
      card(absent.length, "not registered"),
      card(found.length, "cycles"),
    ),
    el(
      "div",
      { class: "blocks" },
      block("Kinds", "kinds", longList(byCount.map(kindRow), 12)),
      block(
        "Environments",
        "largest",
        model.environments.length === 0
          ? none("There are none.")
          : longList(
              [...model.environments]
                .sort(byMembers)
                .map((environment) =>
                  el(
                    "span",
                    { class: "spread" },
                    environmentLink(environment),
                    el("span", { class: "kind" }, count(environment.resources.length, "resource")),
                  ),
                ),
              12,
            ),
      ),
      block(
        "Needed and not registered",
        "dangling",
        dangling.length === 0
          ? none("Nothing dangles.")
          : longList(
              dangling.map((thing) =>
                el(
                  "span",
                  { class: "spread" },
                  link(thing),
                  el("span", { class: "kind" }, `needed by ${thing.neededBy.length}`),
                ),
              ),
              12,
            ),
      ),
      block("Cycles", "cycles", found.length === 0 ? none("Nothing needs itself.") : longList(found.map(cycle), 12)),
    ),
    el(
      "p",
      { class: "kind proof" },
      `domesday ${data.version}, cluster ${data.cluster}, digest `,
      el("code", {}, data.digest),
    ),
  );
}

function environmentLink(environment) {
  const choose = () => {
    tables.resources.choose(1, environment.id);
    location.hash = "#resources";
  };
  return el("button", { type: "button", class: "as-link id", onclick: choose }, environment.id);
}

const environmentIds = (thing) => thing.environments.map((place) => model.environments[place].id);

const tables = {
  environments: makeTable(document.getElementById("view-environments"), {
    name: "environments",
    one: "environment",
    rows: model.environments,
    choices: [],
    columns: [
      { title: "Id", text: (row) => row.id, cell: environmentLink },
      { title: "Name", text: (row) => row.name },
      { title: "Resources", text: (row) => String(row.resources.length), number: (row) => row.resources.length },
      { title: "Tags", text: (row) => tagTexts(row.tags).join(", ") },
      { title: "Description", text: (row) => row.description },
    ],
  }),
  resources: makeTable(document.getElementById("view-resources"), {
    name: "resources",
    one: "resource",
    rows: registered,
    choices: [
      {
        label: "Kind",
        values: [...new Set(registered.map((thing) => thing.kind))].sort(compare),
        has: (row, kind) => row.kind === kind,
      },
      {
        label: "Environment",
        values: model.environments.map(({ id }) => id),
        has: (row, id) => environmentIds(row).includes(id),
      },
    ],
    columns: [
      { title: "Id", text: (row) => row.id, cell: link },
      { title: "Kind", text: (row) => row.kind },
      { title: "Name", text: (row) => row.name },
      { title: "Environments", text: (row) => environmentIds(row).join(", ") },
      { title: "Needs", text: (row) => String(row.needs.length), number: (row) => row.needs.length },
      { title: "Needed by", text: (row) => String(row.neededBy.length), number: (row) => row.neededBy.length },
      { title: "Tags", text: (row) => tagTexts(row.tags).join(", ") },
    ],
  }),
};
const graph = makeGraph(document.getElementById("view-graph"), model);

// The address says which view: #overview, #resources, #graph/KEY.
function route() {
  const [view, name] = location.hash.slice(1).split("/", 2);
  const chosen = VIEWS.includes(view) ? view : "overview";
  for (const other of VIEWS) {
    const tab = document.getElementById(`tab-${other}`);
    document.getElementById(`view-${other}`).hidden = other !== chosen;
    tab.setAttribute("aria-selected", String(other === chosen));
    tab.setAttribute("tabindex", other === chosen ? "0" : "-1");
  }
  if (chosen === "graph") showGraph(name);
  else if (chosen !== "overview") tables[chosen].show();
}

function showGraph(name) {
  const section = document.getElementById("view-graph");
  if (model.things.length === 0) {
    section.replaceChildren(el("p", {}, "The register is empty."));
    return;
  }
  let number;
  try {
    number = model.numbers.get(decodeURIComponent(name || ""));
  } catch {
    // An address that somebody typed.
  }
  // Without a choice: what most things need.
  number ??= model.things.reduce((best, thing) => (thing.neededBy.length > best.neededBy.length ? thing : best)).number;
  graph.show(number);
}

function makeSearch(input, list) {
  const texts = model.things.map((thing) =>
    [thing.id, thing.name, kindOf(thing), ...tagTexts(thing.tags)].join("\n").toLowerCase(),
  );
  let found = [],
    at = -1;
  function mark(place) {
    at = place;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === at)));
    if (at >= 0) input.setAttribute("aria-activedescendant", `found-${at}`);
    else input.removeAttribute("aria-activedescendant");
  }
  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  }
  function pick(thing) {
    input.value = "";
    close();
    location.hash = graphAddress(thing);
    route();
    const box = document.querySelector("#view-graph .node[tabindex='0']");
    if (box) box.focus();
  }
  function search() {
    const words = input.value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    if (words.length === 0) return close();
    const score = (thing) =>
      thing.id.toLowerCase().startsWith(words[0]) ? 0 : thing.id.toLowerCase().includes(words[0]) ? 1 : 2;
    found = model.things.filter(({ number }) => words.every((word) => texts[number].includes(word)));
    tell(count(found.length, "hit"));
    found = found.sort((a, b) => score(a) - score(b) || compare(a.id, b.id)).slice(0, 12);
    list.replaceChildren(
      ...found.map((thing, i) =>
        el(
          "li",
          {
            role: "option",
            id: `found-${i}`,
            onpointerdown: (event) => {
              event.preventDefault();
              pick(thing);
            },
          },
          el("span", { class: "id" }, thing.id),
          el("span", { class: "kind" }, [kindOf(thing), thing.name].filter((text) => text !== "").join(" · ")),
        ),
      ),
    );
    if (found.length === 0) list.append(el("li", { class: "kind" }, "Nothing was found."));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(found.length > 0 ? 0 : -1);
  }
  input.addEventListener("input", search);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && found.length > 0) mark((at + 1) % found.length);
    else if (event.key === "ArrowUp" && found.length > 0) mark((at + found.length - 1) % found.length);
    else if (event.key === "Enter" && at >= 0) pick(found[at]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
}

function begin() {
  const { data } = model;
  const what = data.environment === null ? "domesday" : `domesday: ${data.environment}`;
  document.title = what;
  document.getElementById("heading").textContent = what;
  const time = data.time.replace("T", " ").replace("Z", " UTC");
  document.getElementById("as-of").textContent =
    `as of sequence ${data.sequence.toLocaleString("en")} (epoch ${data.epoch}), taken ${time}`;
  showOverview(document.getElementById("view-overview"));
  makeSearch(document.getElementById("search"), document.getElementById("found"));
  const views = document.getElementById("views");
  views.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) location.hash = tab.dataset.view;
  });
  views.addEventListener("keydown", (event) => {
    const tab = walk(event, [...views.children], ["ArrowLeft", "ArrowRight"]);
    if (tab) location.hash = tab.dataset.view;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    document.getElementById("search").focus();
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("content").focus();
  });
  window.addEventListener("hashchange", route);
  route();
}

begin();
