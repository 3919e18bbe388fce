// Random pictures, always the same for a seed.

/** Numbers from 0 to 1, by the mulberry32 generator. */
export function chance(seed) {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const ROLES = ["card", "cell", "tile", "bar", "label", "value", "arrow", "excl", "dma"];
const ENDS = ["pass", "bounce", "fall"];

/** A maker of pictures that share keys, so that marks stay, come, go, move and change type. */
export function painter(random) {
  const one = (list) => list[Math.floor(random() * list.length)];
  const px = (most) => Math.round(random() * most * 10) / 10;
  const path = (n) => Array.from({ length: n }, () => px(600));
  const mark = (k, type) => {
    const base = { k, s: k.slice(0, 3), c: one(ROLES) };
    if (random() < 0.4) base.f = `field ${k}`;
    if (random() < 0.2) base.o = one([0, 0.5]);
    if (random() < 0.2) base.l = one(["now", "read", "bad", "now bad"]);
    const made = {
      rect: () => ({ x: px(600), y: px(400), w: px(80), h: px(40), rx: px(5), rot: one([0, 0, px(20)]) }),
      text: () => ({ x: px(600), y: px(400), w: one(["none", "page 7", "D", "{a, b}", ""]), b: one([0, 1]) }),
      curve: () => ({ p: path(one([8, 8, 8, 14])) }),
      glow: () => ({ p: path(8) }),
      line: () => ({ p: path(one([4, 6])) }),
      poly: () => ({ p: path(6) }),
      flow: () => ({ p: path(one([8, 14])), end: one(ENDS), at: px(1) }),
    };
    return { ...base, t: type, ...made[type]() };
  };
  const types = ["rect", "rect", "text", "text", "curve", "line", "flow", "poly"];
  const marks = (key) => {
    const type = random() < 0.1 ? one(types) : types[Number(key.slice(1)) % types.length];
    const body = mark(key, type);
    if (type !== "curve" && type !== "line") return [body];
    const [x, y] = body.p.slice(-2);
    const tip = { ...mark(`${key}:tip`, "poly"), p: [x, y, x - 9, y + 4, x - 9, y - 4] };
    return [mark(`${key}:glow`, "glow"), body, tip];
  };
  const shuffled = (list) => {
    const left = [...list];
    return list.map(() => left.splice(Math.floor(random() * left.length), 1)[0]);
  };
  return () => {
    const keys = Array.from({ length: 24 }, (_, i) => `k${i}`).filter(() => random() < 0.8);
    return (random() < 0.4 ? shuffled(keys) : keys).flatMap(marks);
  };
}
