// Instants are UTC microseconds (exact in a double until 2255); shown complete, in a camera's zone.
const formats = new Map();

function format(tz) {
  if (!formats.has(tz)) {
    const options = {
      timeZone: tz, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "longOffset",
    };
    formats.set(tz, new Intl.DateTimeFormat("en-GB", options));
  }
  return formats.get(tz);
}

// {day: '2026-11-18', clock: '21:04:07.240', offset: '+08:00'}
export function local(us, tz) {
  const parts = {};
  for (const part of format(tz).formatToParts(new Date(Math.floor(us / 1000)))) {
    parts[part.type] = part.value;
  }
  const millis = String(Math.floor(us / 1000) % 1000).padStart(3, "0");
  return {
    day: `${parts.year}-${parts.month}-${parts.day}`,
    clock: `${parts.hour}:${parts.minute}:${parts.second}.${millis}`,
    offset: parts.timeZoneName.replace("GMT", "") || "+00:00",
  };
}

export function utc(us) {
  const micros = String(us % 1e6).padStart(6, "0");
  return `${new Date(Math.floor(us / 1e6) * 1000).toISOString().slice(0, 19)}.${micros}Z`;
}

// '2026-11-18T13:04:07.240123Z' → microseconds, none lost to Date's milliseconds
export function parseUtc(text) {
  const [seconds, fraction = "0"] = text.replace("Z", "").split(".");
  return Date.parse(`${seconds}Z`) * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}
