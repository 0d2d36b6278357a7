// Where the boxes and the lines of the graph are.

const BOX = { width: 216, height: 46, gapX: 76, gapY: 12, margin: 16 };
const COLUMN = 30;

// Where boxes and lines go. Columns count from the middle: left ones are below zero.
function place(model, { start, depth, shown }) {
  const boxes = [{ number: start, column: 0, row: 0, rows: 1 }];
  const notes = [];
  let hidden = 0;
  for (const [sign, isTowardsNeeds] of [
    [-1, true],
    [1, false],
  ]) {
    let above = [boxes[0]];
    levels(model, start, depth, isTowardsNeeds)
      .slice(1)
      .forEach((level, step) => {
        const rank = (number) => {
          const ends = neighbours(model, number, !isTowardsNeeds);
          const rows = above.filter((box) => ends.has(box.number)).map((box) => (box.row + 0.5) / box.rows);
          return rows.length === 0 ? 2 : rows.reduce((sum, row) => sum + row, 0) / rows.length;
        };
        const ranked = level
          .map((number) => ({ number, rank: rank(number) }))
          .sort((a, b) => a.rank - b.rank || compare(model.things[a.number].id, model.things[b.number].id));
        const column = sign * (step + 1);
        const kept = ranked.slice(0, shown);
        above = kept.map(({ number }, row) => ({ number, column, row, rows: kept.length }));
        for (const box of above) boxes.push(box);
        if (level.length > kept.length) {
          hidden += level.length - kept.length;
          notes.push({ column, row: kept.length, rows: kept.length, text: `and ${level.length - kept.length} more` });
        }
      });
  }
  let [first, last, rows] = [0, 0, 1];
  for (const box of boxes) {
    first = Math.min(first, box.column);
    last = Math.max(last, box.column);
    rows = Math.max(rows, box.rows);
  }
  if (notes.length > 0) rows += 1;
  const high = (count) => count * (BOX.height + BOX.gapY) - BOX.gapY;
  for (const box of [...boxes, ...notes]) {
    box.x = BOX.margin + (box.column - first) * (BOX.width + BOX.gapX);
    box.y = BOX.margin + (high(rows) - high(box.rows)) / 2 + box.row * (BOX.height + BOX.gapY);
  }
  return {
    boxes,
    notes,
    hidden,
    lines: linesBetween(model, boxes),
    width: 2 * BOX.margin + (last - first + 1) * (BOX.width + BOX.gapX) - BOX.gapX,
    height: 2 * BOX.margin + high(rows),
  };
}

// A line for each dependency between boxes of one side, or with the middle; from what needs to what is needed.
function linesBetween(model, boxes) {
  const sides = [boxes.filter((box) => box.column <= 0), boxes.filter((box) => box.column >= 0)];
  return sides.flatMap((side, which) => {
    const byNumber = new Map(side.map((box) => [box.number, box]));
    return side.flatMap((from) =>
      [...neighbours(model, from.number, true)].flatMap(([number, needs]) => {
        const to = byNumber.get(number);
        // What the middle needs of itself is drawn once.
        if (to === undefined || (to === from && from.column === 0 && which === 1)) return [];
        return needs.map((need) => ({ from, to, need }));
      }),
    );
  });
}

// The next box in the direction of an arrow key; null where there is none.
function towards(boxes, from, key) {
  const isSideways = key === "ArrowLeft" || key === "ArrowRight";
  const sign = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[key];
  if (sign === undefined) return null;
  const reached = boxes.filter((box) =>
    isSideways ? box.column === from.column + sign : box.column === from.column && box.row === from.row + sign,
  );
  reached.sort((a, b) => Math.abs(a.y - from.y) - Math.abs(b.y - from.y));
  return reached[0] || null;
}
