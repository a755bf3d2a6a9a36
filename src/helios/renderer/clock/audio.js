// What is heard of a media element, to be mixed outside of the browser: a span for each time that it plays.

const NEAR = 0.02; // seconds by which a script may put a sound elsewhere without breaking it

/** Hears an element. Times are the clock's (ms), offsets those of the source (s). */
function earOf(element) {
  let span = null; // what is heard now
  const level = () => (element.muted ? 0 : element.volume);
  const facts = () => ({
    url: element.currentSrc || element.src,
    loop: element.loop,
    period: Number.isFinite(element.duration) && element.duration > 0 ? element.duration : null,
  });
  return {
    /** From `at` to `until` it plays what it has at `offset` after it `begins`, as far as it `ends`: when these are known (s). */
    begin(at, offset, until, begins, ends) {
      const rate = element.playbackRate;
      const late = Math.max(0, clock.now - at);
      [at, offset] = [at + late, offset + (late / 1000) * rate];
      const goesOn = span && span.rate === rate && span.until === until
        && Math.abs(span.offset + span.facts().begins + ((at - span.at) / 1000) * rate - offset - begins()) < NEAR;
      if (goesOn) return;
      this.end();
      if (until <= at) return;
      const known = () => ({ ...facts(), begins: begins(), ends: ends() });
      span = { element, at, offset, until, rate, facts: known, levels: [[at, level()]] };
      clock.spans.push(span);
    },

    /** Its volume may be another one: it gets there within the frame before, for a step would click. */
    change() {
      const value = level();
      const last = span?.levels.at(-1);
      if (!last || last[1] === value) return;
      const now = Math.max(clock.now, span.at);
      if (now === last[0]) return void (last[1] = value);
      const from = Math.max(last[0], now - clock.pace);
      if (from > last[0]) span.levels.push([from, last[1]]);
      span.levels.push([now, value]);
    },

    end() {
      if (!span) return;
      const known = span.facts();
      Object.assign(span, { until: Math.max(span.at, Math.min(span.until, clock.now)), facts: () => known });
      span = null;
    },
  };
}

/** Whether there may be sound in it. */
function hasSound(element) {
  return element.localName === "audio" || (filmAt(element.currentSrc)?.audio !== false && !element.error);
}

/** All that was heard until now, and will be of what plays on; `length` null: as long as there is any (seconds). */
function heard(self) {
  const spans = self.spans.filter(({ element }) => hasSound(element)).map(({ element, at, offset, until, rate, facts, levels }) => {
    const { url, begins, ends, ...known } = facts();
    const length = Math.min((until - at) / 1000, Math.max(0, ends - offset - begins) / rate);
    return {
      ...known,
      url: withoutFragment(url),
      video: element.localName === "video",
      start: at / 1000,
      offset: offset + begins,
      length: length < Infinity ? length : null,
      rate,
      volume: levels.map(([time, value]) => [(time - at) / 1000, value]),
    };
  });
  return spans.filter(({ url, length, volume }) => url && length !== 0 && volume.some(([, value]) => value > 0));
}
