// The stage's worker: copies pictures into the slots of the ring, a file of the origin's private file system, and
// encodes them if it is asked to.
//
// A slot holds a picture's pixels (BGRX, or BGRA, row by row) and 16 bytes behind them: four unsigned 32-bit numbers, little
// endian: the frame's number, the picture's number, and the picture's width and height.

let file;
let slot;
let slots;
let bytes;
let alpha; // pictures may be translucent, their colours multiplied by their opacity
let turn = Promise.resolve();
let encoder;
let framerate;
let last; // the picture that was encoded last, for frames that repeat it
let encoded = 0;

async function open({ size, slot: length, token, alpha: clear }) {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(token, { create: true });
  file = await handle.createSyncAccessHandle();
  file.truncate(size);
  file.write(new TextEncoder().encode(token), { at: size - token.length });
  file.flush();
  slot = length;
  slots = Math.floor(size / slot);
  bytes = new Uint8Array(length);
  alpha = clear;
}

async function keep({ picture, frame, sequence }) {
  const { codedWidth, codedHeight, format } = picture;
  const length = 4 * codedWidth * codedHeight;
  try {
    if (length + 16 !== slot || !/^BGR[AX]$/.test(format)) {
      throw new Error(`the picture is ${codedWidth}x${codedHeight} pixels of ${format}`);
    }
    await picture.copyTo(bytes.subarray(0, length));
    if (encoder) await encode(picture);
  } finally {
    picture.close();
  }
  const pixels = new Uint32Array(bytes.buffer, 0, length / 4);
  if (format === "BGRA" && !alpha && !opaque(pixels)) throw new Error("the page's canvas is not opaque");
  new Uint32Array(bytes.buffer, length).set([frame, sequence, codedWidth, codedHeight]);
  const written = file.write(bytes, { at: (sequence % slots) * slot });
  if (written !== slot) throw new Error("the ring has no room");
  return { frame, sequence };
}

function startEncoder(config) {
  const output = (chunk) => {
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    postMessage({ packet: data.toBase64(), key: chunk.type === "key" });
  };
  encoder = new VideoEncoder({ output, error: ({ message }) => postMessage({ error: `the encoder: ${message}` }) });
  encoder.configure(config);
  framerate = config.framerate;
}

async function encode(picture) {
  const frame = new VideoFrame(picture, { timestamp: Math.round((encoded * 1e6) / framerate) });
  encoder.encode(frame, { keyFrame: encoded++ === 0 });
  last?.close();
  last = frame;
  while (encoder.state === "configured" && encoder.encodeQueueSize > 1) await new Promise((less) => (encoder.ondequeue = less));
}

function opaque(pixels) {
  let all = 0xff000000;
  for (let i = 0; i < pixels.length; i++) all &= pixels[i];
  return all >>> 24 === 255;
}

async function answer(data) {
  if (data.picture) return await keep(data);
  if (data.encoding) startEncoder(data.encoding);
  else if (data.repeat) await encode(last);
  else if (data.open) {
    await open(data.open);
    return { opened: true };
  } else {
    await encoder.flush();
    encoder = null; // what is drawn from here on is only looked at
    return { finished: true };
  }
}

onmessage = ({ data }) => {
  turn = turn.then(() => answer(data)).then(
    (said) => said && postMessage(said),
    (error) => postMessage({ error: String(error.message ?? error) }),
  );
};
