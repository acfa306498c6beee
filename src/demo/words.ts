import type { Counts } from './conjur.ts'

/** `1 login`, `2 logins`. */
export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}

/** Milliseconds as seconds with one digit, such as `0.2 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** What stands behind `first set published`: how long it took, and with how many requests. */
export function firstSetText(ms: number, { logins, batches }: Counts): string {
  return `first set published after ${seconds(ms)}: ${count(logins, 'login', 'logins')}, ${count(batches, 'batch request', 'batch requests')}`
}
