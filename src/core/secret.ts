/** `inspect.custom` of node:util, which need not be loaded for it. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/**
 * Bytes that must not be shown: a value, a token, a key.
 *
 * Whatever prints, concatenates or serialises it gets `[redacted]`; only `bytes` and `text` give
 * it away, so a search for those two finds every place where a secret leaves our hands.
 */
export class Secret {
  readonly #bytes: Buffer

  constructor(value: string | Uint8Array) {
    this.#bytes =
      typeof value === 'string'
        ? Buffer.from(value, 'utf8')
        : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }

  /** The bytes themselves, not a copy: do not change them. */
  bytes(): Buffer {
    return this.#bytes
  }

  /** The bytes read as UTF-8; what is no UTF-8 becomes U+FFFD. */
  text(): string {
    return this.#bytes.toString('utf8')
  }

  /** How many bytes it has: the one thing that may be shown. */
  get length(): number {
    return this.#bytes.length
  }

  equals(other: Secret): boolean {
    return this.#bytes.equals(other.#bytes)
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [INSPECT](): string {
    return '[redacted]'
  }
}
