// Helios mixes the page's audio outside of the browser. For that, each media element records a span every time it
// plays.

const CONTINUITY = 0.02; // s by which a script may seek without a break in the audio

/** Records when an element plays what. Times are the clock's (ms), offsets the source's (s). */
function createAudioRecorder(element) {
  let span = null; // of the playback in progress
  const volume = () => (element.muted ? 0 : element.volume);
  const describeSource = () => ({
    url: element.currentSrc || element.src,
    loop: element.loop,
    period: Number.isFinite(element.duration) && element.duration > 0 ? element.duration : null,
  });

  return {
    /**
     * The element plays from `at` until `until`, from `offset` behind `partStart` on, as far as `partEnd`. These two
     * are functions, because they are known only when the source has loaded.
     */
    start(at, offset, until, partStart, partEnd) {
      const rate = element.playbackRate;
      const late = Math.max(0, clock.now - at);
      [at, offset] = [at + late, offset + (late / 1000) * rate];
      if (span && span.rate === rate && span.until === until) {
        const expected = span.source().start + span.offset + ((at - span.at) / 1000) * rate;
        if (Math.abs(expected - partStart() - offset) < CONTINUITY) return;
      }
      this.stop();
      if (until <= at) return;
      const source = () => ({ ...describeSource(), start: partStart(), end: partEnd() });
      span = { element, at, offset, until, rate, source, levels: [[at, volume()]] };
      clock.audioSpans.push(span);
    },

    /** Records a new volume. It is reached within the frame before, because a step would click. */
    updateVolume() {
      const value = volume();
      const last = span?.levels.at(-1);
      if (!last || last[1] === value) return;
      const now = Math.max(clock.now, span.at);
      if (now === last[0]) return void (last[1] = value);
      const from = Math.max(last[0], now - clock.lastStep);
      if (from > last[0]) span.levels.push([from, last[1]]);
      span.levels.push([now, value]);
    },

    stop() {
      if (!span) return;
      const source = span.source();
      Object.assign(span, { until: Math.max(span.at, Math.min(span.until, clock.now)), source: () => source });
      span = null;
    },
  };
}

function mayHaveAudio(element) {
  return element.localName === "audio" || (findVideo(element.currentSrc)?.audio !== false && !element.error);
}

/**
 * All audio clips (AudioClip in messages.py) that have played or are playing; `length` null: to the end of the
 * source.
 */
function audioClips(self) {
  const toClip = ({ element, at, offset, until, rate, source, levels }) => {
    const { url, start, end, ...rest } = source();
    const length = Math.min((until - at) / 1000, Math.max(0, end - offset - start) / rate);
    return {
      ...rest,
      url: withoutFragment(url),
      video: element.localName === "video",
      start: at / 1000,
      offset: offset + start,
      length: length < Infinity ? length : null,
      rate,
      volume: levels.map(([time, value]) => [(time - at) / 1000, value]),
    };
  };
  const clips = self.audioSpans.filter(({ element }) => mayHaveAudio(element)).map(toClip);
  return clips.filter(({ url, length, volume }) => url && length !== 0 && volume.some(([, value]) => value > 0));
}

function warnOfLateAudio(self) {
  for (const { url } of audioClips(self)) {
    self.warn(`${url} is left out of the audio: it starts to play later; add it with --audio`);
  }
}

function watchAudioContexts() {
  if (!window.AudioContext) return;
  window.AudioContext = new Proxy(window.AudioContext, {
    construct(target, args, newTarget) {
      clock.warn("AudioContext is left out of the audio: add its audio with --audio");
      return Reflect.construct(target, args, newTarget);
    },
  });
}
