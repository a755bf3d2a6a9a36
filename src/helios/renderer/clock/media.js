// <video> and <audio>: each element has a player (player.js), which the element's methods and properties call.

/** Resolves when every media element shows the clock's time. */
async function placeMedia(self) {
  self.seeksVideo = false;
  await Promise.all([...self.mediaElements].map((element) => self.players.get(element).place()));
}

const getPlayer = (element) => clock.players.get(element) ?? createPlayer(element);

function installMedia() {
  clock.getPlayer ??= getPlayer;
  watchElements();
  installVideoFrames();
  installSources();
  const prototype = HTMLMediaElement.prototype;
  prototype.play = function () {
    return getPlayer(this).play();
  };
  prototype.pause = function () {
    getPlayer(this).pause();
  };
  redefine(prototype, "autoplay", (original) => ({
    set(plays) {
      const player = clock.players.get(this);
      if (player) player.reload(Boolean(plays));
      else original.set.call(this, plays);
    },
  }));
  for (const name of ["volume", "muted"]) {
    redefine(prototype, name, (original) => ({
      set(value) {
        original.set.call(this, value);
        clock.players.get(this)?.audio.updateVolume();
      },
    }));
  }
  redefine(prototype, "paused", () => ({
    get() {
      return !getPlayer(this).isPlaying();
    },
  }));
  redefine(prototype, "duration", (original) => ({
    get() {
      return findElementVideo(this)?.duration ?? original.get.call(this);
    },
  }));
  redefine(prototype, "ended", () => ({
    get() {
      return !this.loop && getPlayer(this).position() >= mediaLength(this);
    },
  }));
  redefine(prototype, "currentTime", () => ({
    get() {
      return getPlayer(this).position();
    },
    set(time) {
      getPlayer(this).seek(time);
    },
  }));
  redefine(prototype, "playbackRate", (original) => ({
    set(rate) {
      getPlayer(this).changeRate(() => original.set.call(this, rate));
    },
  }));
}

/** Creates a player for each media element in the document. A script may also create elements that never enter it. */
function watchElements() {
  for (const name of ["video", "audio"]) {
    const elements = document.getElementsByTagName(name);
    const observer = new MutationObserver(() => [...elements].forEach((element) => getPlayer(element)));
    observer.observe(document, { childList: true, subtree: true });
  }
  const noteCreated = (element) => {
    clock.recordsAudio ||= clock.frame <= 0 && element instanceof HTMLMediaElement; // it may play later
    return element;
  };
  const create = Document.prototype.createElement;
  Document.prototype.createElement = function (...args) {
    return noteCreated(create.apply(this, args));
  };
  window.Audio = new Proxy(window.Audio, {
    construct: (target, args, newTarget) => noteCreated(Reflect.construct(target, args, newTarget)),
  });
}
