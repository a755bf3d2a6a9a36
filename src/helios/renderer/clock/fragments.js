// The part of a clip that its address names: v.mp4#t=10,20 (https://www.w3.org/TR/media-frags/#naming-time).

const NPT = String.raw`(?:\d+|[0-5]\d:[0-5]\d|\d+:[0-5]\d:[0-5]\d)(?:\.\d*)?`;
const WHOLE = { start: 0, end: Infinity };

/** From where to where (s) `url` has its media played. */
function partOf(url) {
  const tail = url.startsWith("data:") ? url.slice(-1000) : url;
  const fragment = tail.includes("#") ? tail.slice(tail.indexOf("#") + 1) : "";
  const parts = fragment.split("&").map((pair) => {
    try {
      return timesOf(decodeURIComponent(pair));
    } catch {
      return null; // no percent-encoding
    }
  });
  return parts.findLast(Boolean) ?? WHOLE;
}

function timesOf(pair) {
  const found = new RegExp(`^t=(?:npt:)?(${NPT})?(?:,(${NPT}))?$`).exec(pair);
  if (!found || (!found[1] && !found[2])) return null;
  const seconds = (text) => text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
  const [start, end] = [found[1] ? seconds(found[1]) : 0, found[2] ? seconds(found[2]) : Infinity];
  return start < end ? { start, end } : null;
}

const withoutFragment = (url) => url.replace(/#.*$/s, "");
