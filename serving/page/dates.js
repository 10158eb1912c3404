// Dates become the time until another date, by the rules of pipeline/column_file/dates.py.

const MS_PER_DAY = 86_400_000;
const DAYS_PER_YEAR = 365.25;
const YEAR_DECIMALS = 2;
const ISO = /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})(?:$|[T ])/;
const FORMATS = {
  "%d.%m.%Y": /^(?<day>\d{1,2})\.(?<month>\d{1,2})\.(?<year>\d{4})(?:$| )/,
  "%d/%m/%Y": /^(?<day>\d{1,2})\/(?<month>\d{1,2})\/(?<year>\d{4})(?:$| )/,
  "%m/%d/%Y": /^(?<month>\d{1,2})\/(?<day>\d{1,2})\/(?<year>\d{4})(?:$| )/,
};

/** Return the day of a date, in days since 1970, or undefined if the text is none. */
export function parseDay(text, format) {
  const { year, month, day } = (ISO.exec(text) ?? FORMATS[format]?.exec(text))?.groups ?? {};
  if (!year) return undefined;
  const date = new Date(Date.UTC(year, month - 1, day));
  const exists = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()].every(
    (part, index) => part === Number([year, month, day][index]),
  );
  return exists ? date.getTime() / MS_PER_DAY : undefined;
}

/** Return a day as in 2026-01-31. */
export const formatDay = (day) => new Date(day * MS_PER_DAY).toISOString().slice(0, 10);

/** Return the day until which a feature is measured, or undefined if a column has it. */
export const fixedDay = ({ until = "" }) => parseDay(until);

/** Whether a feature is the time between the dates of two columns. */
export const isBetween = (feature) => Boolean(feature.until) && fixedDay(feature) === undefined;

/** Return the time between two days, in the feature's unit. */
export function measureTime({ unit }, start, end) {
  const days = end - start;
  return unit === "days" ? days : Number((days / DAYS_PER_YEAR).toFixed(YEAR_DECIMALS));
}

/** Return the day from which it is this time until `end`. */
export const startDay = ({ unit }, time, end) =>
  Math.round(end - time * (unit === "days" ? 1 : DAYS_PER_YEAR));

/**
 * Return the time between the dates in two texts, or undefined if one is no date. Without the
 * second, the time is measured until the feature's fixed date.
 */
export function readTime(feature, start, end) {
  const first = parseDay(start, feature.date_format);
  const last = end === undefined ? fixedDay(feature) : parseDay(end, feature.date_format);
  const isComplete = first !== undefined && last !== undefined;
  return isComplete ? measureTime(feature, first, last) : undefined;
}
