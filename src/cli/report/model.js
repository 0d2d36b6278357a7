// What the page knows, and what follows from it. Things are numbers: resources first, then what is not on the page.

const NATURES = ["hard", "soft", "startup"];

function makeModel(data) {
  const things = data.resources.map((resource) => ({
    id: resource.id,
    kind: resource.kind,
    name: resource.name || "",
    description: resource.description || "",
    tags: resource.tags || {},
    what: "resource",
    environments: [],
    needs: (resource.needs || []).map(([nature, atLeast, targets]) => ({ nature, atLeast, targets })),
    neededBy: [],
  }));
  for (const [id, what] of data.others) {
    things.push({ id, kind: "", name: "", description: "", tags: {}, what, environments: [], needs: [], neededBy: [] });
  }
  things.forEach((thing, number) => {
    thing.number = number;
    for (const need of thing.needs) {
      for (const target of need.targets) things[target].neededBy.push({ by: number, need });
    }
  });
  const environments = data.environments.map((environment) => ({
    name: "",
    description: "",
    tags: {},
    ...environment,
  }));
  environments.forEach((environment, place) => {
    for (const number of environment.resources) things[number].environments.push(place);
  });
  const numbers = new Map(things.map((thing) => [key(thing), thing.number]));
  return { data, things, environments, numbers };
}

// A URI may look like an id, so what is outside has a key of its own.
function key(thing) {
  return (thing.what === "external" ? "external/" : "resource/") + thing.id;
}

// The different things that a thing needs or that need it, each with the natures that lead there.
function neighbours(model, number, isTowardsNeeds) {
  const found = new Map();
  const add = (other, need) => {
    if (!found.has(other)) found.set(other, []);
    found.get(other).push(need);
  };
  const thing = model.things[number];
  if (isTowardsNeeds) {
    for (const need of thing.needs) for (const target of need.targets) add(target, need);
  } else {
    for (const { by, need } of thing.neededBy) add(by, need);
  }
  return found;
}

// What stops if the cause stops, and what works on with less. Something stops if it needs, hard, something that stops,
// or a group of which fewer than it takes are left. What is needed to start does not stop what runs.
function impact(model, cause) {
  const stopped = new Set([cause]);
  const lost = new Map();
  const waiting = [cause];
  while (waiting.length > 0) {
    for (const { by, need } of model.things[waiting.pop()].neededBy) {
      if (need.nature !== 0 || stopped.has(by)) continue;
      lost.set(need, (lost.get(need) || 0) + 1);
      if (need.targets.length - lost.get(need) < Math.max(need.atLeast, 1)) {
        stopped.add(by);
        waiting.push(by);
      }
    }
  }
  const degraded = new Set();
  for (const number of stopped) waiting.push(number);
  while (waiting.length > 0) {
    for (const { by, need } of model.things[waiting.pop()].neededBy) {
      if (need.nature === 2 || stopped.has(by) || degraded.has(by)) continue;
      degraded.add(by);
      waiting.push(by);
    }
  }
  return { stopped, degraded };
}

// Things up to some steps away, by steps: [[start], [one step away], …].
function levels(model, start, depth, isTowardsNeeds) {
  const seen = new Set([start]);
  const found = [[start]];
  for (let step = 1; step <= depth; step += 1) {
    const level = [];
    for (const number of found[step - 1]) {
      for (const next of neighbours(model, number, isTowardsNeeds).keys()) {
        if (!seen.has(next)) {
          seen.add(next);
          level.push(next);
        }
      }
    }
    if (level.length === 0) break;
    found.push(level);
  }
  return found;
}

// Sets of things that need themselves through each other (Tarjan, without recursion).
function cycles(model) {
  const index = new Map(),
    low = new Map(),
    stack = [],
    isOnStack = new Set(),
    found = [];
  for (const { number: root } of model.things) {
    if (index.has(root)) continue;
    const work = [];
    const enter = (number) => {
      index.set(number, index.size);
      low.set(number, index.get(number));
      stack.push(number);
      isOnStack.add(number);
      work.push({ number, next: [...neighbours(model, number, true).keys()] });
    };
    enter(root);
    while (work.length > 0) {
      const { number, next } = work[work.length - 1];
      if (next.length > 0) {
        const to = next.pop();
        if (!index.has(to)) enter(to);
        else if (isOnStack.has(to)) low.set(number, Math.min(low.get(number), index.get(to)));
        continue;
      }
      work.pop();
      if (work.length > 0) {
        const above = work[work.length - 1].number;
        low.set(above, Math.min(low.get(above), low.get(number)));
      }
      if (low.get(number) !== index.get(number)) continue;
      const cycle = [];
      do {
        cycle.push(stack.pop());
        isOnStack.delete(cycle[cycle.length - 1]);
      } while (cycle[cycle.length - 1] !== number);
      if (cycle.length > 1 || neighbours(model, number, true).has(number)) found.push(cycle);
    }
  }
  return found.sort((a, b) => b.length - a.length);
}
