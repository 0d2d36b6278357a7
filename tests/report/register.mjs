// A register to be reported: a few thousand resources in layers, always the same, as JSON Lines for `domesday apply`.
//
//   node register.mjs FILE [CAUSES]
//
// The graph has everything that the page must cope with: groups, all natures, externals, ids that nobody registered,
// a cycle, a resource that needs itself, and texts that would be markup if they were let.
import { writeFileSync } from "node:fs";

export const HOSTILE = "</script><script>window.hacked = true</script><img src=x onerror=alert(1)> ]]> \"'&";
const LAYERS = [
  ["site", 8],
  ["rack", 60],
  ["vm", 900],
  ["postgres", 500],
  ["queue", 300],
  ["service", 2600],
  ["web", 800],
];

function dice(seed) {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

// What a resource of one layer needs of those below.
function needs(layer, below, roll) {
  if (layer === 0) return [];
  const near = below[layer - 1];
  const pick = () => near[roll(near.length)];
  const list = [{ resource: pick() }];
  if (roll(3) === 0) list.push({ resource: pick(), nature: "soft" });
  if (roll(6) === 0) list.push({ resource: pick(), nature: "startup" });
  if (roll(4) === 0) {
    const group = [...new Set([pick(), pick(), pick()])].map((resource) => ({ resource }));
    if (group.length > 1)
      list.push({ group, at_least: 1 + roll(group.length - 1), nature: roll(5) === 0 ? "soft" : "hard" });
  }
  if (roll(40) === 0) list.push({ external: `https://partner-${roll(30)}.example/api` });
  if (roll(200) === 0) list.push({ resource: `absent-${roll(20)}` });
  const seen = new Set();
  return list.filter((need) => {
    const name = JSON.stringify([need.resource, need.external, need.group]);
    return !seen.has(name) && seen.add(name);
  });
}

export function makeRegister() {
  const roll = dice(7);
  const resources = [],
    below = [];
  LAYERS.forEach(([kind, count], layer) => {
    below.push([]);
    for (let i = 0; i < count; i += 1) {
      const id = `${kind}/${kind}-${i}`;
      below[layer].push(id);
      resources.push({
        type: "resource",
        id,
        kind,
        name: `The ${kind} number ${i}`,
        tags: { owner: `team-${roll(25)}`, tier: "gold" },
        dependencies: needs(layer, below, roll),
      });
    }
  });
  resources.push(
    {
      type: "resource",
      id: "odd/hostile",
      kind: "odd",
      name: HOSTILE,
      description: HOSTILE,
      tags: { note: HOSTILE },
      dependencies: [{ external: "https://x.example/?a=%3Cb%3E&c=']]" }],
    },
    { type: "resource", id: "odd/self", kind: "odd", dependencies: [{ resource: "odd/self", nature: "soft" }] },
    { type: "resource", id: "odd/a", kind: "odd", dependencies: [{ resource: "odd/b" }] },
    { type: "resource", id: "odd/b", kind: "odd", dependencies: [{ resource: "odd/c", nature: "startup" }] },
    { type: "resource", id: "odd/c", kind: "odd", dependencies: [{ resource: "odd/a" }] },
  );
  const environments = Array.from({ length: 40 }, (_, place) => ({
    type: "environment",
    id: `lab-${place}`,
    name: `Laboratory ${place}`,
    resources: resources.filter((_, i) => i % 40 === place).map(({ id }) => id),
  }));
  return { resources, environments };
}

// What is asked of the page and of the server, what stops if it stops: alone and in groups, in a cycle, needed by
// itself, registered nowhere, and outside.
export function causesOf(resources) {
  const needs = resources.flatMap(({ dependencies = [] }) => dependencies);
  const grouped = needs.find((need) => need.group && need.at_least === need.group.length - 1);
  return [
    "vm/vm-17",
    "rack/rack-3",
    "postgres/postgres-42",
    "site/site-1",
    "odd/a",
    "odd/self",
    grouped.group[0].resource,
    needs.find((need) => need.resource?.startsWith("absent-")).resource,
    needs.find((need) => need.external).external,
  ];
}

if (process.argv[1]?.endsWith("register.mjs")) {
  const { resources, environments } = makeRegister();
  if (process.argv[3]) writeFileSync(process.argv[3], causesOf(resources).join("\n") + "\n");
  const lines = [...resources, ...environments].map((document) => JSON.stringify(document));
  writeFileSync(process.argv[2], lines.join("\n") + "\n");
}
