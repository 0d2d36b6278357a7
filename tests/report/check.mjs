// Opens a page of `domesday report` in a real browser, from a file, and checks what it shows and does.
//
//   node check.mjs PAGE CHROMIUM ANSWERS PICTURES
//
// The page is of the register of register.mjs. ANSWERS is a folder with what the server says of cycles, of what dangles
// and of what stops; in PICTURES the page is kept as it looks, light and dark.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";
import { HOSTILE, causesOf, makeRegister } from "./register.mjs";

const [file, chromium, answers, pictures] = process.argv.slice(2);
const address = pathToFileURL(resolve(file)).href;
const { resources, environments } = makeRegister();
const CAUSES = causesOf(resources);
const number = (text) => Number(text.replace(/[^0-9]/g, ""));
const sorted = (ids) => [...ids].sort();

// What stops and what works on with less, in the slowest way that is surely right: over and over, until nothing
// changes.
function expectedImpact(cause) {
  const members = (need) => need.group?.map((one) => one.resource ?? one.external) ?? [need.resource ?? need.external];
  const stopped = new Set([cause]),
    degraded = new Set();
  const rule = (set, isSo) => {
    for (let size = -1; size !== set.size;) {
      size = set.size;
      for (const { id, dependencies = [] } of resources) if (dependencies.some(isSo)) set.add(id);
    }
  };
  rule(stopped, (need) => {
    const left = members(need).filter((id) => !stopped.has(id)).length;
    return (need.nature ?? "hard") === "hard" && left < (need.group ? need.at_least : 1);
  });
  rule(
    degraded,
    (need) => need.nature !== "startup" && members(need).some((id) => stopped.has(id) || degraded.has(id)),
  );
  return {
    stopped: sorted([...stopped].filter((id) => id !== cause)),
    degraded: sorted([...degraded].filter((id) => !stopped.has(id))),
  };
}

// What the server says of it.
function answeredImpact(cause) {
  const { affected } = JSON.parse(readFileSync(join(answers, `impact-${CAUSES.indexOf(cause)}.json`), "utf8"));
  const ids = (effect) => sorted(affected.filter((one) => one.effect === effect).map(({ id }) => id));
  return { stopped: ids("stops"), degraded: ids("degraded") };
}

const complaints = [],
  requests = [];
const isRoot = process.getuid?.() === 0;
const browser = await puppeteer.launch({
  executablePath: chromium,
  args: ["--disable-gpu", "--hide-scrollbars", ...(isRoot ? ["--no-sandbox"] : [])],
  defaultViewport: { width: 1400, height: 900 },
});

async function open(hash = "") {
  const page = await browser.newPage();
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(address + hash);
  return page;
}

const texts = (page, selector) => page.$$eval(selector, (found) => found.map((one) => one.textContent));
const text = async (page, selector) => (await texts(page, selector))[0];
const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    return at.id || at.dataset.id || at.textContent.trim().slice(0, 60);
  });
// A hash changes the view a moment later.
const settled = (page) => page.evaluate(() => new Promise((done) => setTimeout(done, 50)));

async function picture(page, name) {
  for (const look of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: look }]);
    await page.screenshot({ path: join(pictures, `${name}-${look}.png`) });
  }
}

async function overview() {
  const page = await open();
  const cards = Object.fromEntries(
    await page.$$eval(".card", (found) =>
      found.map((card) => [card.textContent.replace(/[0-9,]+/, ""), card.querySelector("strong").textContent]),
    ),
  );
  const needs = resources.flatMap(({ dependencies = [] }) => dependencies);
  const answer = (name) => JSON.parse(readFileSync(join(answers, `${name}.json`), "utf8")).total;
  assert.equal(number(cards.resources), resources.length);
  assert.equal(number(cards.environments), environments.length);
  assert.equal(number(cards.dependencies), needs.length);
  assert.equal(number(cards["external things"]), new Set(needs.map((need) => need.external).filter(Boolean)).size);
  assert.equal(number(cards["not registered"]), answer("dangling"));
  assert.equal(number(cards.cycles), answer("cycles"));
  assert.match(await text(page, "#as-of"), /^as of sequence [0-9,]+ \(epoch 1\), taken 20/);
  const kinds = await page.$$eval(".kind-row", (rows) =>
    rows.map((row) => [row.firstChild.textContent, row.lastChild.textContent.replace(",", "")].join(" ")),
  );
  assert.equal(kinds[0], `service ${resources.filter(({ kind }) => kind === "service").length}`);
  await picture(page, "overview");
  await page.close();
}

async function tables() {
  const page = await open("#resources");
  assert.match(await text(page, "#view-resources .shown"), /^5,173 resources, 1 to 100 shown$/);
  await page.type("#resources-filter", "postgres team-7");
  const isWanted = ({ kind, tags }) => kind === "postgres" && /^team-7/.test(tags.owner);
  const wanted = resources.filter(isWanted);
  assert.equal(number((await text(page, "#view-resources .shown")).split(" of ")[0]), wanted.length);
  const shown = await texts(page, "#view-resources tbody a.id");
  assert.deepEqual(sorted(shown), sorted(wanted.map(({ id }) => id)).slice(0, 100));
  await page.$eval("#resources-filter", (input) => {
    input.value = "";
  });
  await page.select("#view-resources select", "web");
  const [, select] = await page.$$("#view-resources select");
  await select.select("lab-3");
  const inLab = resources.filter(({ id, kind }) => kind === "web" && environments[3].resources.includes(id));
  // The filter was emptied behind the back of the page; typing lets it see.
  await page.focus("#resources-filter");
  await page.keyboard.type(" ");
  assert.equal(number((await text(page, "#view-resources .shown")).split(" of ")[0]), inLab.length);
  await picture(page, "resources");
  const heads = await page.$$("#view-resources th button");
  await heads[5].click();
  await heads[5].click();
  const counts = (await texts(page, "#view-resources tbody td:nth-child(6)")).map(Number);
  assert.deepEqual(
    counts,
    [...counts].sort((a, b) => b - a),
  );
  const sort = await page.$eval("#view-resources th:nth-child(6)", (head) => head.getAttribute("aria-sort"));
  assert.equal(sort, "descending");
  await page.goto(address + "#environments");
  assert.equal(await text(page, "#view-environments .shown"), "40 environments");
  await page.close();
}

async function shownImpact(page) {
  for (const id of ["stopped", "degraded"]) {
    const more = await page.$(`#${id} button`);
    if (more) await more.click();
  }
  return {
    stopped: sorted(await texts(page, "#stopped a.id")),
    degraded: sorted(await texts(page, "#degraded a.id")),
  };
}

async function impacts() {
  const needs = resources.flatMap(({ dependencies = [] }) => dependencies);
  const what = (id) => (needs.some((need) => need.external === id) ? "external" : "resource");
  const causes = CAUSES.map((id) => [what(id), id]);
  const page = await open();
  let most = 0;
  for (const [what, id] of causes) {
    await page.goto(`${address}#graph/${encodeURIComponent(`${what}/${id}`)}`);
    await settled(page);
    await page.click(`.node[data-id=${JSON.stringify(id)}]`);
    const expected = expectedImpact(id);
    const shown = await shownImpact(page);
    assert.deepEqual(shown, expected, id);
    assert.deepEqual(shown, answeredImpact(id), `${id}: the page and the server do not say the same`);
    const fates = await page.$$eval(".node.stopped, .node.degraded", (nodes) =>
      nodes.map((node) => [node.dataset.id, node.classList.contains("stopped")]),
    );
    for (const [other, isStopped] of fates) {
      assert.ok(expected[isStopped ? "stopped" : "degraded"].includes(other), `${id}: ${other}`);
    }
    most = Math.max(most, expected.stopped.length);
    console.log(`  ${id}: ${expected.stopped.length} stop with it, ${expected.degraded.length} work on with less`);
  }
  assert.ok(most > 100, "the register is too tame to prove anything");
  await page.goto(`${address}#graph/${encodeURIComponent("resource/queue/queue-5")}`);
  await settled(page);
  await page.click('.node[data-id="queue/queue-5"]');
  await picture(page, "impact");
  // Deeper means more boxes.
  const before = (await page.$$(".node")).length;
  await page.focus("#depth");
  await page.keyboard.press("ArrowRight");
  assert.ok((await page.$$(".node")).length > before);
  assert.equal(await text(page, "#view-graph output"), "3");
  await picture(page, "deep");
  await page.close();
}

async function keyboardAlone() {
  const page = await open();
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "To the content");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "search");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await settled(page);
  assert.equal(await focused(page), "tab-resources");
  assert.equal(await page.$eval("#view-resources", (section) => section.hidden), false);
  await page.keyboard.press("/");
  await page.keyboard.type("postgres-42");
  assert.equal(await page.$eval("#search", (input) => input.getAttribute("aria-expanded")), "true");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await picture(page, "search");
  await page.keyboard.press("Enter");
  await settled(page);
  assert.equal(await focused(page), "postgres/postgres-42");
  const ring = await page.$eval(".node:focus .box", (box) => getComputedStyle(box).strokeWidth);
  assert.equal(ring, "3.5px", "focus can be seen");
  await page.keyboard.press("ArrowLeft");
  const needed = await focused(page);
  const { dependencies } = resources.find(({ id }) => id === "postgres/postgres-42");
  assert.ok(JSON.stringify(dependencies).includes(`"${needed}"`), `${needed} is on the left`);
  await page.keyboard.press("Enter");
  assert.deepEqual(await shownImpact(page), expectedImpact(needed));
  await page.$eval(`.node[data-id=${JSON.stringify(needed)}]`, (node) => node.focus());
  await page.keyboard.press("Escape");
  assert.equal((await page.$$(".node.cause")).length, 0);
  await page.keyboard.press("c");
  await settled(page);
  assert.ok(page.url().endsWith(encodeURIComponent(`resource/${needed}`)), page.url());
  assert.equal(await text(page, "#view-graph h2"), `Around ${needed}`);
  assert.equal(await focused(page), needed);
  await page.close();
}

async function hostileTexts() {
  const page = await open(`#graph/${encodeURIComponent("resource/odd/hostile")}`);
  assert.ok((await text(page, "aside .description")).includes(HOSTILE));
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal((await page.$$("img, script[src], link, iframe")).length, 0);
  assert.equal((await page.$$("script")).length, 2);
  await page.goto(address + "#graph/%E0%A4%A");
  await page.goto(address + "#nowhere");
  assert.equal(await page.$eval("#view-overview", (section) => section.hidden), false);
  await page.close();
}

// The policy of the page forbids what a script that got in would want.
async function shutOff() {
  const page = await browser.newPage();
  await page.goto(address);
  const tried = await page.evaluate(async () => {
    const sent = await fetch("http://127.0.0.1:9/").then(
      () => "sent",
      () => "refused",
    );
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    return { sent, ran: window.ran ?? false };
  });
  assert.deepEqual(tried, { sent: "refused", ran: false });
  await page.close();
}

async function fast() {
  const began = Date.now();
  const page = await open("#resources");
  const opened = Date.now() - began;
  const times = await page.evaluate(() => {
    const time = (work) => {
      const from = performance.now();
      work();
      return performance.now() - from;
    };
    return { filter: time(() => tables.resources.choose(0, "service")), impact: time(() => impact(model, 1)) };
  });
  console.log(
    `  opened in ${opened} ms, filtered in ${times.filter.toFixed(0)} ms, impact in ${times.impact.toFixed(1)} ms`,
  );
  assert.ok(opened < 10_000 && times.filter < 1_000 && times.impact < 500, "it is slow");
  await page.close();
}

// More than the arguments that one call may have.
async function large() {
  const page = await open();
  const found = await page.evaluate(() => {
    const many = 200_000;
    const need = { nature: 0, atLeast: 0, targets: [0] };
    const things = Array.from({ length: many }, () => ({ neededBy: [] }));
    for (let by = 1; by < many; by += 1) things[0].neededBy.push({ by, need: { ...need } });
    const list = longList(things.map((_, number) => String(number)));
    list.querySelector("button").click();
    return {
      stopped: impact({ things }, 0).stopped.size,
      listed: list.querySelectorAll("li").length,
      children: el("p", {}, things.map(() => el("i"))).childElementCount,
    };
  });
  assert.deepEqual(found, { stopped: 200_000, listed: 200_000, children: 200_000 });
  await page.close();
}

try {
  for (const check of [overview, tables, impacts, keyboardAlone, hostileTexts, fast, large]) {
    console.log(`report: ${check.name}`);
    await check();
  }
  assert.deepEqual(complaints, [], "the console is silent");
  assert.deepEqual([...new Set(requests.map((url) => url.split("#")[0]))], [address], "nothing else is asked for");
  console.log("report: shutOff");
  await shutOff();
  console.log("report: all is as it should be");
} finally {
  await browser.close();
}
