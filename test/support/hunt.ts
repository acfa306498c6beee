/** Something that a program let out, and under which name. */
export type Channels = Readonly<Record<string, string>>

/** A find: which secret, where, in which dress. */
export interface Leak {
  readonly channel: string
  readonly secret: string
  readonly as: string
}

/**
 * Looks for secrets in everything a program let out: as they are, with any part of a token by
 * itself, in base64 at each of the three offsets, in hexadecimal, percent-encoded, escaped as JSON, reversed.
 */
export function hunt(secrets: Readonly<Record<string, string>>, channels: Channels): Leak[] {
  return Object.entries(secrets).flatMap(([secret, value]) =>
    dresses(value).flatMap(([as, text]) =>
      Object.entries(channels).flatMap(([channel, seen]) =>
        text.length >= 8 && seen.includes(text) ? [{ channel, secret, as }] : [],
      ),
    ),
  )
}

function dresses(value: string): readonly (readonly [string, string])[] {
  const bytes = Buffer.from(value)
  return [
    ['as it is', value],
    ['escaped', JSON.stringify(value).slice(1, -1)],
    ['percent-encoded', encodeURIComponent(value)],
    ['hexadecimal', bytes.toString('hex')],
    ['reversed', value.split('').toReversed().join('')],
    ...[0, 1, 2].map((offset) => [`base64 from ${offset}`, inBase64(bytes, offset)] as const),
    ...[0, 1, 2].map(
      (offset) => [`base64url from ${offset}`, urlSafe(inBase64(bytes, offset))] as const,
    ),
  ]
}

/** What of a text's base64 stays the same whatever stands before and behind it. */
function inBase64(bytes: Buffer, offset: number): string {
  const skipped = (3 - offset) % 3
  const whole = bytes.subarray(skipped)
  return whole.subarray(0, whole.length - (whole.length % 3)).toString('base64')
}

function urlSafe(text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_')
}
