// Films of the page's own folder. Their frames are decoded outside (page_video.py) and shown as the poster of the element,
// which plays a stand-in of the same size and length: a browser would seek for each frame, from the key frame before.

const FOOTAGE = "/.helios/video";

/** Where the server tells of the film at `url`. */
const addressOf = (url) => config.origin + FOOTAGE + new URL(url).pathname;

/** When frames of the film at `url` begin, its duration and the length of a tick (s); null where the browser has to play it, undefined as
 * long as that is not known: then there is a promise under `coming`. */
function filmAt(url) {
  if (!config.origin || !url.startsWith(`${config.origin}/`)) return null;
  const address = addressOf(url);
  const known = clock.films.get(address);
  if (known) return known.film;
  const entry = { film: undefined, coming: null };
  clock.films.set(address, entry);
  entry.coming = native
    .fetch(address)
    .then((answer) => (answer.ok ? answer.json() : null), () => null)
    .then((film) => (entry.film = film));
  return undefined;
}

/** The number of the frame that is shown at `time` (s). Times of films are rounded to their ticks. */
function frameAt({ times, tick }, time) {
  let [low, high] = [0, times.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time + tick / 2 + 1e-6) low = middle;
    else high = middle;
  }
  return low;
}

/** What an element shows of a film. */
function screenOf(element) {
  const pictures = new Map(); // address -> {picture, ready}: the one that is shown, and the next
  let shown = "";
  let count = 0;
  const fetched = (address) => {
    const known = pictures.get(address);
    if (known) return known;
    const picture = new Image();
    native.source.call(picture, address);
    const entry = { picture, ready: native.decode.call(picture) };
    entry.ready.catch(() => {}); // it may never be asked for
    pictures.set(address, entry);
    return entry;
  };
  return {
    picture: null,
    callbacks: new Map(),

    /** Shows the frame at `time`, and fetches the one at `next`; resolves when it is shown. */
    show(film, url, time, next) {
      const address = (at) => `${addressOf(url)}?frame=${frameAt(film, at)}`;
      const wanted = address(time);
      const coming = address(next);
      for (const known of pictures.keys()) if (known !== wanted && known !== coming) pictures.delete(known);
      const { picture, ready } = fetched(wanted);
      ready.then(() => fetched(coming), () => {}); // in the order of the film: it is decoded so
      if (shown === wanted) return ready;
      shown = wanted;
      return ready.then(() => {
        if (shown !== wanted) return;
        this.picture = picture;
        native.setAttribute.call(element, "poster", picture.src);
        clock.changed = true;
        const due = [...this.callbacks.values()];
        this.callbacks.clear();
        const facts = {
          mediaTime: film.times[frameAt(film, time)],
          presentedFrames: ++count,
          width: picture.naturalWidth,
          height: picture.naturalHeight,
          presentationTime: clock.now,
          expectedDisplayTime: clock.now,
        };
        for (const callback of due) guard(window, () => callback.call(element, clock.now, facts));
      });
    },

    clear() {
      pictures.clear();
      shown = "";
      this.picture = null;
    },
  };
}

/** Has whatever takes pictures of films take that which is shown. */
function governPictures() {
  const pictured = (source) => clock.media.get(source)?.screen.picture ?? source;
  const first = (owner, name) => {
    const original = owner[name];
    owner[name] = function (source, ...rest) {
      return original.call(this, pictured(source), ...rest);
    };
  };
  const contexts = [window.CanvasRenderingContext2D, window.OffscreenCanvasRenderingContext2D];
  for (const context of contexts.filter(Boolean)) for (const name of ["drawImage", "createPattern"]) first(context.prototype, name);
  first(window, "createImageBitmap");
  for (const context of [window.WebGLRenderingContext, window.WebGL2RenderingContext].filter(Boolean)) {
    for (const name of ["texImage2D", "texSubImage2D", "texImage3D", "texSubImage3D"]) {
      const original = context.prototype[name];
      if (original) context.prototype[name] = function (...args) {
        return original.apply(this, args.map(pictured));
      };
    }
  }
  window.VideoFrame = window.VideoFrame && new Proxy(window.VideoFrame, {
    construct: (target, [source, settings], self) => {
      const picture = pictured(source);
      const timed = picture === source ? settings : { timestamp: Math.round(source.currentTime * 1e6), ...settings };
      return Reflect.construct(target, [picture, timed], self);
    },
  });

  const prototype = HTMLVideoElement.prototype;
  const { requestVideoFrameCallback: request, cancelVideoFrameCallback: cancel } = prototype;
  prototype.requestVideoFrameCallback = function (callback) {
    const state = clock.govern(this);
    if (filmAt(this.currentSrc || this.src) === null) return request.call(this, callback);
    const id = clock.nextId++;
    state.screen.callbacks.set(id, callback);
    return id;
  };
  prototype.cancelVideoFrameCallback = function (id) {
    if (!clock.media.get(this)?.screen.callbacks.delete(id)) cancel.call(this, id);
  };
}
