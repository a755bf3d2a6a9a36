// What a page loads must have arrived before it is drawn.

function trackOnce(self, key, promise, label) {
  if (self.tracked.has(key)) return;
  self.tracked.add(key);
  self.track(promise, label).catch(() => {}).finally(() => self.tracked.delete(key));
}

function watchDocuments(self) {
  for (const document of everyDocument()) {
    if (document.fonts?.status === "loading") trackOnce(self, document.fonts, document.fonts.ready, "fonts");
    for (const image of document.images) {
      if (image.complete || image.loading === "lazy") continue;
      trackOnce(self, image, ended(image, "load", "error"), `image ${image.currentSrc || image.src}`);
    }
  }
  for (const element of self.found("video, audio")) {
    self.govern?.(element);
    if (element.error) self.media.get(element)?.bury();
    const needed = element.localName === "video" ? element.HAVE_CURRENT_DATA : element.HAVE_METADATA;
    if (element.readyState >= needed || !isComing(element) || element.networkState === element.NETWORK_NO_SOURCE) continue;
    trackOnce(self, element, loaded(element), `${element.localName} ${element.currentSrc || element.src}`);
  }
}

/** Whether the browser is about to have something of a media element, or to find that it can't. */
function isComing(element) {
  const { error, networkState, readyState, preload, src } = element;
  if (error) return false;
  if (networkState === element.NETWORK_IDLE) return readyState === element.HAVE_METADATA && preload === "auto";
  return networkState === element.NETWORK_LOADING || Boolean(src);
}

/** Whether the browser can't play what a video was given. */
function hasFailed(element) {
  if (element.localName !== "video" || !element.currentSrc) return false;
  return element.error !== null || element.networkState === element.NETWORK_NO_SOURCE;
}

/** Resolves when a media element can be shown, or has failed, or one of its sources has. */
function loaded(element) {
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
    clock.track(ended(this, "loadend"), `request ${addresses.get(this)}`);
    return send.call(this, body);
  };
  const decode = HTMLImageElement.prototype.decode;
  HTMLImageElement.prototype.decode = function () {
    return clock.track(decode.call(this), `image ${this.src}`);
  };
  redefine(HTMLImageElement.prototype, "src", (original) => ({
    set(value) {
      original.set.call(this, value);
      if (!this.complete && this.loading !== "lazy") clock.track(ended(this, "load", "error"), `image ${this.src}`);
    },
  }));
  const load = FontFace.prototype.load;
  FontFace.prototype.load = function () {
    return clock.track(load.call(this), `font ${this.family}`);
  };
  const bitmap = window.createImageBitmap;
  window.createImageBitmap = (...args) => clock.track(bitmap.apply(window, args), "createImageBitmap()");
}
