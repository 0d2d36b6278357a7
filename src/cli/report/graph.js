// The graph around one thing: what it needs on the left, what needs it on the right, and what stops if one stops.

function makeGraph(section, model) {
  const state = { start: null, depth: 2, cause: null, boxes: [], shown: COLUMN };
  const title = el("h2");
  const depth = el("input", { type: "range", id: "depth", min: 1, max: 6, value: state.depth });
  const depthShown = el("output", { for: "depth" }, String(state.depth));
  const clear = el("button", { type: "button", onclick: () => choose(null) }, "Clear impact");
  const more = el(
    "button",
    {
      type: "button",
      onclick: () => {
        state.shown *= 4;
        draw();
      },
    },
    "Show more in each column",
  );
  const canvas = el("div", { class: "canvas", tabindex: "-1" });
  const panel = el("aside", { "aria-label": "What is chosen" });
  const legend = el(
    "p",
    { class: "legend" },
    el("span", { class: "swatch cause" }),
    "cause ",
    el("span", { class: "swatch stopped" }),
    "stops ",
    el("span", { class: "swatch degraded" }),
    "works on with less ",
    el("span", { class: "stroke" }),
    "hard ",
    el("span", { class: "stroke soft" }),
    "soft ",
    el("span", { class: "stroke startup" }),
    "startup ",
    el("span", { class: "stroke group" }),
    "in a group",
  );
  const help = el(
    "p",
    { class: "help" },
    "Click a box, or press Enter on it, to see what stops if it stops. ",
    "Arrow keys walk from box to box, C centres the graph on one, Escape clears.",
  );
  depth.addEventListener("input", () => {
    state.depth = Number(depth.value);
    depthShown.textContent = depth.value;
    draw();
  });
  section.replaceChildren(
    el("div", { class: "graph-head" }, title, el("label", { for: "depth" }, "Steps"), depth, depthShown, clear, more),
    help,
    legend,
    el("div", { class: "graph-body" }, canvas, panel),
  );
  section.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.cause !== null) choose(null);
  });

  function show(start) {
    if (state.start !== start) {
      Object.assign(state, { start, cause: null, shown: COLUMN });
    }
    draw();
  }

  function centre(number) {
    location.hash = graphAddress(model.things[number]);
  }

  function choose(cause) {
    state.cause = cause;
    paint();
  }

  function draw() {
    const focused = document.activeElement;
    const hadFocus = canvas.contains(focused) || panel.contains(focused);
    const start = model.things[state.start];
    title.replaceChildren("Around ", el("span", { class: "id" }, start.id));
    const placed = place(model, state);
    state.boxes = placed.boxes;
    more.hidden = placed.hidden === 0;
    const picture = svg(
      "svg",
      {
        width: placed.width,
        height: placed.height,
        viewBox: `0 0 ${placed.width} ${placed.height}`,
        role: "group",
        "aria-label": `What ${start.id} needs on the left, what needs it on the right`,
      },
      arrowHead(),
      placed.lines.map(drawLine),
      placed.notes.map(drawNote),
    );
    for (const box of state.boxes) {
      box.element = drawBox(box);
      picture.append(box.element);
    }
    canvas.replaceChildren(picture);
    const middle = state.boxes[0];
    const chosen = state.boxes.find((box) => boxName(box) === focused.dataset.place) || middle;
    chosen.element.setAttribute("tabindex", "0");
    if (hadFocus) chosen.element.focus({ preventScroll: true });
    canvas.scrollLeft = middle.x - (canvas.clientWidth - BOX.width) / 2;
    canvas.scrollTop = middle.y - canvas.clientHeight / 2;
    paint();
  }

  function drawBox(box) {
    const thing = model.things[box.number];
    return svg(
      "g",
      {
        class: "node",
        role: "button",
        tabindex: "-1",
        transform: `translate(${box.x} ${box.y})`,
        "data-place": boxName(box),
        "data-id": thing.id,
        onclick: () => {
          focus(box);
          choose(box.number);
        },
        ondblclick: () => centre(box.number),
        onkeydown: (event) => press(event, box),
      },
      svg("title", {}, [thing.id, kindOf(thing), thing.name].filter((text) => text !== "").join("\n")),
      svg("rect", {
        class: `box ${thing.what}`,
        width: BOX.width,
        height: BOX.height,
        rx: thing.what === "external" ? BOX.height / 2 : 6,
      }),
      svg("text", { class: "id", x: BOX.width / 2, y: 20 }, clip(thing.id, 27)),
      svg(
        "text",
        { class: "kind", x: BOX.width / 2, y: 36 },
        clipEnd(
          [kindOf(thing), thing.name === thing.id ? "" : thing.name].filter((text) => text !== "").join(" · "),
          36,
        ),
      ),
    );
  }

  function focus(box) {
    for (const other of state.boxes) other.element.setAttribute("tabindex", other === box ? "0" : "-1");
    box.element.focus();
  }

  function press(event, box) {
    if (event.key === "Enter" || event.key === " ") choose(box.number);
    else if (event.key === "c" || event.key === "C") centre(box.number);
    else {
      const next = towards(state.boxes, box, event.key);
      if (next === null) return;
      focus(next);
    }
    event.preventDefault();
  }

  function paint() {
    const result = state.cause === null ? null : impact(model, state.cause);
    section.classList.toggle("has-impact", result !== null);
    clear.disabled = result === null;
    for (const { element, number, x } of state.boxes) {
      const thing = model.things[number];
      let fate = "";
      if (result !== null) {
        if (number === state.cause) fate = "cause";
        else if (result.stopped.has(number)) fate = "stopped";
        else if (result.degraded.has(number)) fate = "degraded";
      }
      element.classList.remove("cause", "stopped", "degraded");
      if (fate !== "") element.classList.add(fate);
      const side = x < state.boxes[0].x ? ", needed" : x > state.boxes[0].x ? ", needs it" : ", in the middle";
      const spoken = { cause: ", the cause", stopped: ", stops", degraded: ", works on with less", "": "" }[fate];
      element.setAttribute("aria-label", `${thing.id}, ${kindOf(thing)}${side}${spoken}`);
      element.setAttribute("aria-pressed", String(fate === "cause"));
    }
    panel.replaceChildren(...describe(model, state, result, centre));
    panel.scrollTop = 0;
    if (result !== null) {
      tell(
        `If ${model.things[state.cause].id} stops: ${count(result.stopped.size - 1, "other")} stop, ` +
          `${result.degraded.size} work on with less`,
      );
    }
  }
  return { show, choose };
}

function boxName(box) {
  return `${box.column}/${box.number}`;
}

// Ids differ at both ends, so a long one loses its middle.
function clip(text, most) {
  const chars = [...text];
  if (chars.length <= most) return text;
  const end = Math.floor(most / 2);
  return chars.slice(0, most - end - 1).join("") + "…" + chars.slice(-end).join("");
}

function clipEnd(text, most) {
  const chars = [...text];
  return chars.length <= most ? text : chars.slice(0, most - 1).join("") + "…";
}

function drawLine({ from, to, need }) {
  const [y1, y2] = [from.y + BOX.height / 2, to.y + BOX.height / 2];
  let way;
  if (from === to) {
    const x = from.x + BOX.width;
    way = `M${x - 30} ${from.y}c4 -14 44 -14 30 12`;
  } else if (from.column === to.column) {
    const x = from.x + BOX.width;
    way = `M${x} ${y1}C${x + 40} ${y1} ${x + 40} ${y2} ${x} ${y2}`;
  } else {
    const isLeftwards = to.x < from.x;
    const x1 = isLeftwards ? from.x : from.x + BOX.width;
    const x2 = isLeftwards ? to.x + BOX.width : to.x;
    const bend = (x2 - x1) / 2;
    way = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  const isFar = Math.abs(from.column - to.column) !== 1;
  const words =
    NATURES[need.nature] + (need.atLeast > 0 ? `, ${need.atLeast} of ${need.targets.length} must hold` : "");
  return svg(
    "path",
    {
      class: `line ${NATURES[need.nature]}${need.atLeast > 0 ? " group" : ""}${isFar ? " far" : ""}`,
      d: way,
      "marker-end": "url(#head)",
    },
    svg("title", {}, words),
  );
}

function drawNote({ x, y, text }) {
  return svg("text", { class: "kind", x: x + BOX.width / 2, y: y + 16 }, text);
}

function arrowHead() {
  return svg(
    "defs",
    {},
    svg(
      "marker",
      {
        id: "head",
        viewBox: "0 0 10 10",
        refX: 9,
        refY: 5,
        markerWidth: 8,
        markerHeight: 8,
        markerUnits: "userSpaceOnUse",
        orient: "auto",
      },
      svg("path", { class: "head", d: "M0 1 10 5 0 9z" }),
    ),
  );
}

// The panel beside the graph: about the cause where one is chosen, else about the middle.
function describe(model, state, result, centre) {
  const number = state.cause === null ? state.start : state.cause;
  const thing = model.things[number];
  const about = [
    el("h3", { class: "id" }, thing.id),
    el("p", { class: "kind" }, [kindOf(thing), thing.name].filter((text) => text !== "").join(" · ")),
    thing.description === "" ? null : el("p", { class: "description" }, thing.description),
    Object.keys(thing.tags).length === 0
      ? null
      : el("p", {}, tagTexts(thing.tags).map((text) => el("span", { class: "tag" }, text))),
    thing.environments.length === 0
      ? null
      : el("p", {}, "In ", thing.environments.map((place) => model.environments[place].id).join(", ")),
    number === state.start
      ? null
      : el("button", { type: "button", onclick: () => centre(number) }, "Centre the graph here"),
  ];
  const sorted = (numbers) => [...numbers].map((other) => model.things[other]).sort((a, b) => compare(a.id, b.id));
  if (result !== null) {
    const stopped = sorted(result.stopped).filter((other) => other !== thing);
    const degraded = sorted(result.degraded);
    about.push(
      el(
        "h4",
        { id: "stopped-count", class: "stopped" },
        `${count(stopped.length, "other stops", "others stop")} with it`,
      ),
      el("div", { id: "stopped" }, longList(stopped.map(link))),
      el(
        "h4",
        { id: "degraded-count", class: "degraded" },
        `${count(degraded.length, "works", "work")} on with less, or may`,
      ),
      el("div", { id: "degraded" }, longList(degraded.map(link))),
    );
  } else {
    const item = ([other, needs]) =>
      el(
        "span",
        {},
        link(model.things[other]),
        " ",
        el(
          "span",
          { class: "kind" },
          needs.map((need) => NATURES[need.nature] + (need.atLeast > 0 ? " (group)" : "")).join(", "),
        ),
      );
    for (const [heading, isTowardsNeeds] of [
      ["Needs", true],
      ["Is needed by", false],
    ]) {
      const found = [...neighbours(model, number, isTowardsNeeds)];
      found.sort((a, b) => compare(model.things[a[0]].id, model.things[b[0]].id));
      about.push(el("h4", {}, `${heading} ${found.length.toLocaleString("en")}`), longList(found.map(item)));
    }
  }
  return about.filter((part) => part !== null);
}
