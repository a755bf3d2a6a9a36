// Media fragments: v.mp4#t=10,20 names a part of the clip (https://www.w3.org/TR/media-frags/#naming-time).

const NPT = String.raw`(?:\d+|[0-5]\d:[0-5]\d|\d+:[0-5]\d:[0-5]\d)(?:\.\d*)?`;
const WHOLE = { start: 0, end: Infinity };

/** The start and end (s) of the part that `url` names; the whole clip if it names none. */
function parseFragment(url) {
  const tail = url.startsWith("data:") ? url.slice(-1000) : url;
  const fragment = tail.includes("#") ? tail.slice(tail.indexOf("#") + 1) : "";
  const parts = fragment.split("&").map((pair) => {
    try {
      return parseTimes(decodeURIComponent(pair));
    } catch {
      return null; // an invalid percent-encoding
    }
  });
  return parts.findLast(Boolean) ?? WHOLE;
}

function parseTimes(pair) {
  const match = new RegExp(`^t=(?:npt:)?(${NPT})?(?:,(${NPT}))?$`).exec(pair);
  if (!match || (!match[1] && !match[2])) return null;
  const seconds = (text) => text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
  const [start, end] = [match[1] ? seconds(match[1]) : 0, match[2] ? seconds(match[2]) : Infinity];
  return start < end ? { start, end } : null;
}

const withoutFragment = (url) => url.replace(/#.*$/s, "");
