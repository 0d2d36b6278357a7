// Pieces of the page. Whatever comes from the data is put in as text, never as markup.

// An element: el("a", { href: "#x", class: "y" }, "text", otherElement, [more, ofThem]). What has no bound goes in as a
// list: a call takes only some ten thousand arguments.
function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

function tell(text) {
  document.getElementById("told").textContent = text;
}

function count(number, one, many = one + "s") {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

function graphAddress(thing) {
  return "#graph/" + encodeURIComponent(key(thing));
}

function link(thing) {
  return el("a", { href: graphAddress(thing), class: "id" }, thing.id);
}

function kindOf(thing) {
  return { resource: thing.kind, external: "external", absent: "not registered", elsewhere: "not on this page" }[
    thing.what
  ];
}

function tagTexts(tags) {
  return Object.entries(tags).map(([name, value]) => (value === "" ? name : `${name}=${value}`));
}

// A list that shows its beginning, and the rest on demand.
function longList(items, first = 50) {
  const list = el("ul", { class: "plain" }, items.slice(0, first).map((item) => el("li", {}, item)));
  if (items.length <= first) return list;
  const more = el(
    "button",
    {
      type: "button",
      onclick: () => {
        const rest = items.slice(first).map((item) => el("li", {}, item));
        for (const item of rest) list.append(item);
        more.remove();
        const next = rest[0].querySelector("a, button");
        if (next) next.focus();
      },
    },
    `Show ${count(items.length - first, "more", "more")}`,
  );
  return el("div", {}, list, more);
}

// Arrow keys, Home and End walk through a row or a column of things; one of them at a time is in the tab order.
function walk(event, items, keys) {
  const at = items.indexOf(document.activeElement);
  const to = { [keys[0]]: at - 1, [keys[1]]: at + 1, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined || at < 0) return null;
  event.preventDefault();
  const item = items[Math.max(0, Math.min(items.length - 1, to))];
  item.focus();
  return item;
}
