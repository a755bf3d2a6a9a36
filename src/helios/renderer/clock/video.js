// Videos of the page's own folder. The server decodes their frames (page_video.py), and each is shown as the poster
// of its element. The browser itself would seek for every frame, from the key frame before. It plays a placeholder
// instead, of the same size and length.

const VIDEO_PATH = "/.helios/video";

/** Where the server describes the video at `url`. */
const videoAddress = (url) => config.origin + VIDEO_PATH + new URL(url).pathname;

/**
 * Returns the {times: of its frames, duration, tick: (s), audio: whether it has any} of the video at `url`. Returns
 * null if the browser has to play it, and undefined while that is unknown: see the promise `loading` in
 * `clock.videos`.
 */
function findVideo(url) {
  if (!config.origin || !url.startsWith(`${config.origin}/`)) return null;
  const address = videoAddress(url);
  const known = clock.videos.get(address);
  if (known) return known.video;
  const entry = { video: undefined, loading: null };
  clock.videos.set(address, entry);
  entry.loading = native
    .fetch(address)
    .then((response) => (response.ok ? response.json() : null), () => null)
    .then((video) => (entry.video = video));
  return undefined;
}

/** The number of the frame at `time` (s). The times of a video are rounded to its ticks. */
function frameAt({ times, tick }, time) {
  let [low, high] = [0, times.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time + tick / 2 + 1e-6) low = middle;
    else high = middle;
  }
  return low;
}

/** Shows frames of a video in an element. */
function createVideoDisplay(element) {
  const images = new Map(); // address -> {image, ready}: of the current frame and the next
  let current = "";
  let shownFrames = 0;

  function fetchImage(address) {
    const known = images.get(address);
    if (known) return known;
    const image = new Image();
    native.imageSource.set.call(image, address);
    const entry = { image, ready: native.decodeImage.call(image) };
    entry.ready.catch(() => {}); // the frame may never be shown
    images.set(address, entry);
    return entry;
  }

  return {
    image: null,
    callbacks: new Map(), // of requestVideoFrameCallback()

    /** Shows the frame at `time` (s), and fetches the one at `nextTime`. Resolves when the frame is shown. */
    show(video, url, time, nextTime) {
      const frameAddress = (at) => `${videoAddress(url)}?frame=${frameAt(video, at)}`;
      const address = frameAddress(time);
      const nextAddress = frameAddress(nextTime);
      for (const known of images.keys()) if (known !== address && known !== nextAddress) images.delete(known);
      const { image, ready } = fetchImage(address);
      ready.then(() => fetchImage(nextAddress), () => {}); // one after the other: the server decodes in order
      if (current === address) return ready;
      current = address;
      return ready.then(() => {
        if (current !== address) return;
        this.image = image;
        native.setAttribute.call(element, "poster", image.src);
        clock.changed = true;
        const callbacks = [...this.callbacks.values()];
        this.callbacks.clear();
        const metadata = {
          mediaTime: video.times[frameAt(video, time)],
          presentedFrames: ++shownFrames,
          width: image.naturalWidth,
          height: image.naturalHeight,
          presentationTime: clock.now,
          expectedDisplayTime: clock.now,
        };
        for (const callback of callbacks) {
          runReportingErrors(window, () => callback.call(element, clock.now, metadata));
        }
      });
    },

    clear() {
      images.clear();
      current = "";
      this.image = null;
    },
  };
}

/** Has canvases, textures and VideoFrames take the frame that a video shows. */
function installVideoFrames() {
  const toImage = (source) => clock.players.get(source)?.display.image ?? source;
  const convertFirst = (owner, name) => {
    const original = owner[name];
    owner[name] = function (source, ...rest) {
      return original.call(this, toImage(source), ...rest);
    };
  };
  const contexts = [window.CanvasRenderingContext2D, window.OffscreenCanvasRenderingContext2D];
  for (const context of contexts.filter(Boolean)) {
    for (const name of ["drawImage", "createPattern"]) convertFirst(context.prototype, name);
  }
  convertFirst(window, "createImageBitmap");
  for (const context of [window.WebGLRenderingContext, window.WebGL2RenderingContext].filter(Boolean)) {
    for (const name of ["texImage2D", "texSubImage2D", "texImage3D", "texSubImage3D"]) {
      const original = context.prototype[name];
      if (original) context.prototype[name] = function (...args) {
        return original.apply(this, args.map(toImage));
      };
    }
  }
  window.VideoFrame = window.VideoFrame && new Proxy(window.VideoFrame, {
    construct(target, [source, settings], newTarget) {
      const image = toImage(source);
      const timed = image === source ? settings : { timestamp: Math.round(source.currentTime * 1e6), ...settings };
      return Reflect.construct(target, [image, timed], newTarget);
    },
  });

  const prototype = HTMLVideoElement.prototype;
  const { requestVideoFrameCallback: request, cancelVideoFrameCallback: cancel } = prototype;
  prototype.requestVideoFrameCallback = function (callback) {
    const player = clock.getPlayer(this);
    if (findVideo(this.currentSrc || this.src) === null) return request.call(this, callback);
    const id = clock.nextId++;
    player.display.callbacks.set(id, callback);
    return id;
  };
  prototype.cancelVideoFrameCallback = function (id) {
    if (!clock.players.get(this)?.display.callbacks.delete(id)) cancel.call(this, id);
  };
}
