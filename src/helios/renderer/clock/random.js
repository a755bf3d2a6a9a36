// Math.random() returns the same numbers in every render: sfc32, Chris Doty-Humphrey's small fast chaotic generator
// (PractRand), with the seed of the job.

function installRandom() {
  let [a, b, c, d] = [config.seed, 0x9e3779b9, 0x243f6a88, 1];
  const random = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) random();
  Math.random = () => ((random() >>> 5) * 2 ** 26 + (random() >>> 6)) / 2 ** 53;
}
