// Numbers and times in words. Times are UTC everywhere; what was not measured is "–", never 0.

const grouped = new Intl.NumberFormat("en-GB");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export const NOTHING = "–";

export function count(number) {
  return grouped.format(number);
}

/** "1 probe", "9 probes", "2 batches". */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** "Tokyo", "Tokyo and Lima", "Tokyo, Lima and Oslo". */
export function listed(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** "4.2 ms", "183 ms". */
export function milliseconds(value) {
  if (value === null || value === undefined) return NOTHING;
  return `${value < 9.95 ? value.toFixed(1) : count(Math.round(value))} ms`;
}

/** "0.4 %", "12 %"; never "0 %" for something. */
export function percent(share) {
  if (share === null || share === undefined) return NOTHING;
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value > 99.9 && value < 100) return "> 99.9 %";
  if (value > 90 && value < 100) return `${value.toFixed(1)} %`;
  return `${value < 9.95 && value !== Math.round(value) ? value.toFixed(1) : Math.round(value)} %`;
}

export function bytes(value) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  let rest = value;
  while (rest >= 1024 && step < units.length - 1) {
    rest /= 1024;
    step += 1;
  }
  return `${rest < 9.95 && step > 0 ? rest.toFixed(1) : Math.round(rest)} ${units[step]}`;
}

/** "12 s", "3 min", "2 h 5 min", "3 d 4 h". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 && days < 10 ? `${days} d ${hours % 24} h` : `${days} d`;
}

/** Seconds from `instant` to `now`, both RFC 3339. */
export function age(instant, now) {
  return (Date.parse(now) - Date.parse(instant)) / 1000;
}

/** "03:02", with the day in front if it is not today's: "21 Nov 03:02". */
export function clock(instant, now, seconds = false) {
  const at = new Date(instant);
  const time = at.toISOString().slice(11, seconds ? 19 : 16);
  return at.toISOString().slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? time : `${day(instant)} ${time}`;
}

/** "21 Nov". */
export function day(instant) {
  const at = new Date(instant);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
}

/** For tooltips: the instant in full, and in the reader's own time. */
export function full(instant) {
  const at = new Date(instant);
  return `${at.toISOString().slice(0, 19).replace("T", " ")} UTC, ${at.toLocaleString()} on this computer`;
}

/** "AS 64500". */
export function network(number) {
  return number === null || number === undefined ? "network unknown" : `AS ${number}`;
}

/** Sorts by name as a person would. */
export function byName(a, b) {
  return a.name.localeCompare(b.name, "en", { numeric: true });
}
