// A pad to draw on, by mouse, pen, touch or keyboard; its pixels are numbers from 0 to 1.

const MOST_UNDONE = 50;
const SOFT = 1.25; // pixels: the radius of the pen, which fades towards its edge

/** Makes `canvas` a pad; calls `changed` with its numbers, row by row, after each stroke. */
export function pad(canvas, changed) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const given = JSON.parse(canvas.dataset.value || "null");
  let pixels = Float32Array.from(given?.length === width * height ? given : new Array(width * height).fill(0));
  const undone = [];
  const cursor = { x: Math.floor(width / 2), y: Math.floor(height / 2), isDown: false };
  let last = null;

  function draw() {
    const image = context.createImageData(width, height);
    pixels.forEach((value, at) => {
      const level = Math.round(255 * value);
      image.data.set([level, level, level, 255], 4 * at);
    });
    context.putImageData(image, 0, 0);
    if (document.activeElement !== canvas || last) return;
    context.fillStyle = "rgb(255 120 0 / 0.75)";
    context.fillRect(cursor.x, cursor.y, 1, 1);
  }

  function keep() {
    undone.push(pixels.slice());
    if (undone.length > MOST_UNDONE) undone.shift();
  }

  function done() {
    draw();
    changed(Array.from(pixels, (value) => Math.round(value * 1000) / 1000));
  }

  function dot(x, y) {
    for (let row = Math.max(0, Math.floor(y - 2)); row < Math.min(height, y + 3); row += 1) {
      for (let column = Math.max(0, Math.floor(x - 2)); column < Math.min(width, x + 3); column += 1) {
        const distance = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const at = row * width + column;
        pixels[at] = Math.max(pixels[at], Math.min(1, Math.max(0, SOFT + 0.5 - distance)));
      }
    }
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  function stroke(x, y) {
    const [fromX, fromY] = last ?? [x, y];
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(x - fromX, y - fromY)));
    for (let step = 1; step <= steps; step += 1) dot(fromX + ((x - fromX) * step) / steps, fromY + ((y - fromY) * step) / steps);
    last = [x, y];
    draw();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    keep();
    last = null;
    stroke(...place(event));
    canvas.focus({ preventScroll: true });
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) stroke(...place(part));
  });
  const up = () => { if (last) { last = null; done(); } };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (move) {
      cursor.x = Math.min(width - 1, Math.max(0, cursor.x + move[0]));
      cursor.y = Math.min(height - 1, Math.max(0, cursor.y + move[1]));
      if (cursor.isDown) { dot(cursor.x + 0.5, cursor.y + 0.5); }
      draw();
    } else if (event.key === " ") {
      if (!cursor.isDown) { keep(); dot(cursor.x + 0.5, cursor.y + 0.5); }
      cursor.isDown = !event.repeat || cursor.isDown;
      draw();
    } else if (event.key === "z") undo();
    else if (event.key === "c") clear();
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", (event) => {
    if (event.key === " " && cursor.isDown) { cursor.isDown = false; done(); }
  });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", () => { cursor.isDown = false; draw(); });

  function undo() {
    if (!undone.length) return;
    pixels = undone.pop();
    done();
  }
  function clear() {
    keep();
    pixels = new Float32Array(width * height);
    done();
  }
  canvas.closest("form").addEventListener("click", (event) => {
    const verb = event.target.dataset?.pad;
    if (verb === "undo") undo();
    else if (verb === "clear") clear();
  });
  draw();
}
