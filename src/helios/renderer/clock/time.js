// The page's clocks show the time of the frame.

function installTime() {
  const wallTime = () => Math.floor(config.epoch + clock.now);
  const NativeDate = Date;
  NativeDate.now = wallTime;
  const HeliosDate = new Proxy(NativeDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length ? args : [wallTime()], newTarget),
    apply: () => new NativeDate(wallTime()).toString(),
  });
  NativeDate.prototype.constructor = HeliosDate;
  window.Date = HeliosDate;

  Performance.prototype.now = () => clock.now;
  redefine(Performance.prototype, "timeOrigin", () => ({ get: () => config.epoch }));
  redefine(AnimationTimeline.prototype, "currentTime", (original) => ({
    get() {
      return this instanceof DocumentTimeline ? clock.now : original.get.call(this);
    },
  }));

  const instant = () => Temporal.Instant.fromEpochMilliseconds(wallTime());
  const zoned = (zone) => instant().toZonedDateTimeISO(zone ?? Temporal.Now.timeZoneId());
  if (typeof Temporal === "object") {
    replace(Temporal.Now, "instant", instant);
    replace(Temporal.Now, "zonedDateTimeISO", zoned);
    replace(Temporal.Now, "plainDateTimeISO", (zone) => zoned(zone).toPlainDateTime());
    replace(Temporal.Now, "plainDateISO", (zone) => zoned(zone).toPlainDate());
    replace(Temporal.Now, "plainTimeISO", (zone) => zoned(zone).toPlainTime());
  }
}
