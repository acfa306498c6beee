/** A moment (milliseconds since 1970) as the API writes it: `2026-11-25T01:02:03.456+00:00`. */
export function timestamp(at: number): string {
  return new Date(at).toISOString().replace('Z', '+00:00')
}
