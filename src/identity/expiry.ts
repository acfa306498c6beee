/**
 * When a token ends, in epoch milliseconds: the earliest of what the token itself says and what the
 * reply beside it says. A field that cannot be read says nothing; none ever makes a token live longer.
 */
export function endOfLife(
  token: { readonly expiresAt: number | undefined },
  fields: Readonly<Record<string, unknown>>,
  now: number,
): number | undefined {
  const seconds = wholeSeconds(fields['expires_in'])
  const ends = [
    token.expiresAt,
    seconds === undefined ? undefined : now + seconds * 1000,
    instant(fields['expires_on']),
  ].filter((end) => end !== undefined)
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/**
 * An `expires_on` as one platform or another writes it, always UTC, in epoch milliseconds: seconds
 * as number or digits, `1/20/2026 9:05:00 AM +00:00`, `2026-01-20 09:05:00`, RFC 3339.
 */
export function instant(value: unknown): number | undefined {
  const seconds = wholeSeconds(value)
  if (seconds !== undefined) return seconds * 1000
  if (typeof value !== 'string') return undefined
  const text = value.trim()
  const ms = american(text) ?? Date.parse(text.replace(/^([\d-]{10}) ([\d:.]+)$/, '$1T$2Z'))
  return Number.isNaN(ms) ? undefined : ms
}

function wholeSeconds(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  return typeof value === 'string' && /^\d{1,15}$/.test(value.trim()) ? Number(value) : undefined
}

const AMERICAN =
  /^(?<month>\d{1,2})\/(?<day>\d{1,2})\/(?<year>\d{4}) (?<hour>\d{1,2}):(?<minute>\d{2}):(?<second>\d{2})(?: (?<half>[AP]M))?(?: \+00:00)?$/i

function american(text: string): number | undefined {
  const parts = AMERICAN.exec(text)?.groups
  if (parts === undefined) return undefined
  const half = parts['half']?.toUpperCase()
  const hour = Number(parts['hour'])
  return Date.UTC(
    Number(parts['year']),
    Number(parts['month']) - 1,
    Number(parts['day']),
    half === undefined ? hour : (hour % 12) + (half === 'PM' ? 12 : 0),
    Number(parts['minute']),
    Number(parts['second']),
  )
}
