// The page settles when everything that it loads has arrived.

const tracked = new WeakSet(); // fonts, images and media elements that load

function trackOnce(self, key, promise, label) {
  if (tracked.has(key)) return;
  tracked.add(key);
  self.track(promise, label).catch(() => {}).finally(() => tracked.delete(key));
}

function watchDocuments(self) {
  for (const document of everyDocument()) {
    if (document.fonts?.status === "loading") trackOnce(self, document.fonts, document.fonts.ready, "fonts");
    for (const image of document.images) {
      if (image.complete || image.loading === "lazy") continue;
      trackOnce(self, image, nextEvent(image, "load", "error"), `image ${image.currentSrc || image.src}`);
    }
  }
  for (const element of self.queryAll("video, audio")) {
    self.getPlayer?.(element);
    if (element.error) self.players.get(element)?.replaceUndecodable();
    const needed = element.localName === "video" ? element.HAVE_CURRENT_DATA : element.HAVE_METADATA;
    if (element.readyState >= needed || !isLoading(element)) continue;
    if (element.networkState === element.NETWORK_NO_SOURCE) continue;
    trackOnce(self, element, mediaLoaded(element), `${element.localName} ${element.currentSrc || element.src}`);
  }
}

/** Whether the browser is about to load data of a media element, or to fail. */
function isLoading(element) {
  const { error, networkState, readyState, preload, src } = element;
  if (error || element.srcObject) return false; // a stream delivers with the frames, so none can wait for it
  if (networkState === element.NETWORK_IDLE) return readyState === element.HAVE_METADATA && preload === "auto";
  return networkState === element.NETWORK_LOADING || Boolean(src);
}

/** Whether the browser can't play the source of a video. */
function hasFailed(element) {
  if (element.localName !== "video" || !element.currentSrc) return false;
  return element.error !== null || element.networkState === element.NETWORK_NO_SOURCE;
}

/** Resolves when a media element has data to show, or when it or one of its sources has failed. */
function mediaLoaded(element) {
  return new Promise((resolve) => {
    for (const type of ["loadeddata", "error", "emptied", "suspend"]) {
      element.addEventListener(type, resolve, { once: true, capture: true });
    }
  });
}

function watchLoading() {
  const fetch = window.fetch;
  window.fetch = (...args) => clock.track(fetch.apply(window, args), `fetch ${args[0]?.url ?? args[0]}`);
  for (const name of ["arrayBuffer", "blob", "bytes", "formData", "json", "text"]) {
    const read = Response.prototype[name];
    if (!read) continue;
    Response.prototype[name] = function () {
      return clock.track(read.call(this), `the body of ${this.url}`);
    };
  }
  const open = XMLHttpRequest.prototype.open;
  const addresses = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    addresses.set(this, url);
    return open.call(this, method, url, ...rest);
  };
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (body) {
    clock.track(nextEvent(this, "loadend"), `request ${addresses.get(this)}`);
    return send.call(this, body);
  };
  const decode = HTMLImageElement.prototype.decode;
  HTMLImageElement.prototype.decode = function () {
    return clock.track(decode.call(this), `image ${this.src}`);
  };
  redefine(HTMLImageElement.prototype, "src", (original) => ({
    set(value) {
      original.set.call(this, value);
      if (!this.complete && this.loading !== "lazy") clock.track(nextEvent(this, "load", "error"), `image ${this.src}`);
    },
  }));
  const load = FontFace.prototype.load;
  FontFace.prototype.load = function () {
    return clock.track(load.call(this), `font ${this.family}`);
  };
  const bitmap = window.createImageBitmap;
  window.createImageBitmap = (...args) => clock.track(bitmap.apply(window, args), "createImageBitmap()");
}
