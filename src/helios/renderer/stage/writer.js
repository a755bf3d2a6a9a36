// The stage's worker writes images into the slots of the ring, a file of the origin's private file system. It also
// encodes them on request.
//
// A slot contains the pixels (BGRX or BGRA, row by row), and then four unsigned 32-bit numbers, little endian: the
// number of the frame, the sequence number of the image, its width and its height.

let file;
let slot;
let slots;
let bytes;
let alpha; // pixels may be translucent; their colours are multiplied by their opacity
let queue = Promise.resolve(); // of messages
let encoder;
let framerate;
let last; // the image that was encoded last
let encoded = 0;

async function open({ size, slot: slotBytes, token, alpha: hasAlpha }) {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(token, { create: true });
  file = await handle.createSyncAccessHandle();
  file.truncate(size);
  file.write(new TextEncoder().encode(token), { at: size - token.length });
  file.flush();
  slot = slotBytes;
  slots = Math.floor(size / slot);
  bytes = new Uint8Array(slotBytes);
  alpha = hasAlpha;
}

async function write({ image, frame, sequence }) {
  const { codedWidth, codedHeight, format } = image;
  const length = 4 * codedWidth * codedHeight;
  try {
    if (length + 16 !== slot || !/^BGR[AX]$/.test(format)) {
      throw new Error(`the image is ${codedWidth}x${codedHeight} pixels of ${format}`);
    }
    await image.copyTo(bytes.subarray(0, length));
    if (encoder) await encode(image);
  } finally {
    image.close();
  }
  const pixels = new Uint32Array(bytes.buffer, 0, length / 4);
  if (format === "BGRA" && !alpha && !isOpaque(pixels)) throw new Error("the page's canvas is not opaque");
  new Uint32Array(bytes.buffer, length).set([frame, sequence, codedWidth, codedHeight]);
  const written = file.write(bytes, { at: (sequence % slots) * slot });
  if (written !== slot) throw new Error("the ring's file has no space left");
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

async function encode(image) {
  const frame = new VideoFrame(image, { timestamp: Math.round((encoded * 1e6) / framerate) });
  encoder.encode(frame, { keyFrame: encoded++ === 0 });
  last?.close();
  last = frame;
  while (encoder.state === "configured" && encoder.encodeQueueSize > 1) {
    await new Promise((resolve) => (encoder.ondequeue = resolve));
  }
}

function isOpaque(pixels) {
  let all = 0xff000000;
  for (let i = 0; i < pixels.length; i++) all &= pixels[i];
  return all >>> 24 === 255;
}

async function handle(data) {
  if (data.image) return await write(data);
  if (data.encoding) startEncoder(data.encoding);
  else if (data.repeat) await encode(last);
  else if (data.open) {
    await open(data.open);
    return { opened: true };
  } else {
    await encoder.flush();
    encoder = null; // the frames that follow are compared, not encoded
    return { finished: true };
  }
}

onmessage = ({ data }) => {
  queue = queue.then(() => handle(data)).then(
    (result) => result && postMessage(result),
    (error) => postMessage({ error: String(error.message ?? error) }),
  );
};
