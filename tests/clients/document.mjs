// The neutral document that all kinds of clients edit: a text, a map and a list. Positions in the text count Unicode
// code points, which is what the tests count; the libraries count UTF-16 units.

// Which field an operation is for, or which sort of thing it is for where an edit says `in` which it is, as a path:
// `["map","key",0]`. An edit of something that is not there, or is of another sort, is passed over.
export const FIELD_OF = { insert: "text", delete: "text", set: "map", unset: "map", push: "list", pull: "list" };

// Keys in the order of their UTF-8 bytes, as an ordered map in Rust has them; JavaScript's own order differs beyond the
// basic plane.
const byBytes = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const keys = Object.keys(value).sort(byBytes);
  return { ordered: keys.map((key) => [key, sorted(value[key])]) };
}

function compact(value) {
  if (Array.isArray(value)) return `[${value.map(compact).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  return `{${value.ordered.map(([key, member]) => `${JSON.stringify(key)}:${compact(member)}`).join(",")}}`;
}

// One spelling of each value: keys sorted, no blanks.
export function canonical(value) {
  return compact(sorted(value));
}

// The UTF-16 offset of a position in code points; the end of the text where the position is beyond it.
export function utf16(text, position) {
  let offset = 0;
  for (let left = position; left > 0 && offset < text.length; left -= 1) {
    offset += text.codePointAt(offset) > 0xffff ? 2 : 1;
  }
  return offset;
}

// Start and length in UTF-16 units of a range in code points, cut to the text.
export function utf16Range(text, at, count) {
  const start = utf16(text, at);
  return [start, utf16(text.slice(start), count)];
}

export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

// Start and length of a range, cut to a list.
export function clamped(length, at, count) {
  const start = Math.min(at, length);
  return [start, Math.min(count, length - start)];
}
