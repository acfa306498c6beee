import type { Place } from './store.ts'

/** What the person who wrote the policy should know about a refusal; shown by `--explain` alone. */
export interface Reason {
  /** Both sides, such as `namespace: token "dev", policy "shop"`. */
  readonly because: string
  /** The line of policy that decides. */
  readonly place?: Place | undefined
}

/**
 * Something Conjur refuses. `code` and message are those of its log; `kind` is the name its log
 * gives the error, so that a search for either finds the same pages as with the real server.
 */
export class Refusal extends Error {
  readonly code: string
  readonly kind: string
  readonly reason: Reason | undefined

  constructor(kind: string, text: string, reason?: Reason) {
    super(text)
    this.name = 'Refusal'
    this.kind = kind
    this.code = text.slice(0, text.indexOf(' '))
    this.reason = reason
  }

  /** As the log shows an error object. */
  get inspected(): string {
    return `#<Errors::${this.kind}: ${this.message}>`
  }
}

/** A list as the log writes it. */
export function listed(items: readonly string[]): string {
  return `[${items.map((item) => JSON.stringify(item)).join(', ')}]`
}
